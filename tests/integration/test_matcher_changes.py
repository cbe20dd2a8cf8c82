"""What changes under a match in a running matcher: supporters who leave, rules, withdrawals, unreadable parts."""

from peerline.events import (
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
)

from tests.support.matcher_office import PEDIATRICS, Office, a_roster, a_row
from tests.support.workplace import Workplace, until
from tests.unit.matcher.events import Told


async def test_when_a_supporter_leaves_proposals_are_released_and_confirmed_cases_listed(office: Office) -> None:
    await office.load(a_row("s1"))
    confirmed, proposed = office.referral(), office.referral()
    await office.say(confirmed.created(attributes=PEDIATRICS), proposed.created(attributes=PEDIATRICS))
    await office.said(confirmed, MatchProposed)
    await office.said(proposed, MatchProposed)
    await office.say(confirmed.logged("supporter-accepted", 1))
    await office.said(confirmed, MatchProposed, MatchConfirmed)

    answer = await office.load(a_row("s2"))
    _, _, again = await office.said(proposed, MatchProposed, MatchReleased, MatchProposed)
    item = await office.item("supporter-left", confirmed)
    assert await office.act(item, "release") == 200
    await office.said(confirmed, MatchProposed, MatchConfirmed, MatchReleaseRequested)

    assert answer == {"supporters": 1, "new": 1, "changed": 0, "left": 1, "faults": []}
    assert office.asked(again).supporter_id == "s2"


async def test_a_rule_newly_broken_ends_a_proposal_and_asks_a_confirmed_match_back(office: Office) -> None:
    await office.load(a_row("s1"))
    confirmed, proposed, join = office.referral(), office.referral(), office.referral()
    await office.say(confirmed.created(attributes=PEDIATRICS), proposed.created(attributes=PEDIATRICS))
    await office.said(confirmed, MatchProposed)
    await office.said(proposed, MatchProposed)
    await office.say(confirmed.logged("supporter-accepted", 1))
    await office.said(confirmed, MatchProposed, MatchConfirmed)
    witness = (office.pseudonyms.of("npi", "s1"),)

    await office.say(proposed.amended(excluded=witness, attributes=PEDIATRICS))
    await office.say(join.joined(confirmed.referral_id, excluded=witness))

    await office.said(proposed, MatchProposed, MatchReleased, MatchUnavailable)
    await office.said(confirmed, MatchProposed, MatchConfirmed, MatchReleaseRequested)
    assert await office.stage(join) == []


async def test_a_join_before_its_case_excludes_from_the_first_match_on(office: Office) -> None:
    await office.load(a_row("s1"))
    referral, join = office.referral(), office.referral()
    await office.say(join.joined(referral.referral_id, excluded=(office.pseudonyms.of("npi", "s1"),)))
    await until(lambda: _known(office, join), what="the join")

    await office.say(referral.created(attributes=PEDIATRICS))

    await office.said(referral, MatchUnavailable)


async def _known(office: Office, referral: Told) -> bool:
    rows = await office.service.fetch("SELECT FROM referral WHERE referral_id = $1", referral.referral_id)
    return bool(rows)


async def test_an_unreadable_referral_waits_on_the_worklist_until_it_is_sealed_again(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()
    await office.say(referral.unreadable())
    item = await office.item("unreadable", referral)
    refused = await office.act(item, "resolve")

    await office.say(referral.amended(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    assert refused == 409
    assert await office.items() == []


async def test_a_withdrawal_is_held_until_the_offer_is_said_to_stand(office: Office) -> None:
    await office.load(a_row("s1"))
    held, standing, gone = office.referral(), office.referral(), office.referral()
    await office.say(standing.logged("retraction-declined"), gone.logged("closed"), held.withdrawn())
    await until(lambda: _known(office, held), what="the withdrawal")

    for referral in (held, standing, gone):
        await office.say(referral.created(attributes=PEDIATRICS))
    await office.say(standing.withdrawn())
    await office.said(standing, MatchProposed)
    assert await office.stage(held) == []
    assert await office.stage(gone) == []
    await office.say(held.logged("retraction-declined"))

    await office.said(held, MatchProposed)


async def test_a_forgotten_referral_leaves_nothing_but_its_id(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()
    created = referral.created(attributes=PEDIATRICS)
    await office.say(created)
    await office.said(referral, MatchProposed)

    await office.say(referral.forgotten())
    await office.settled(referral, lambda stages: stages == [])

    (row,) = await office.service.fetch("SELECT profile, received_at, seeking, closed_at FROM referral")
    assert (row["profile"], row["received_at"], row["seeking"]) == (None, None, False)
    assert row["closed_at"] is not None


async def test_a_roster_with_faults_changes_only_what_is_right_and_needs_the_coordinators_token(
    office: Office, workplace: Workplace
) -> None:
    await office.load(a_row("s1"), a_row("s2"))

    answer = await office.load(a_row("s1", email="nowhere"), a_row("s2"), a_row("s3"))
    operators = {"authorization": f"Bearer {workplace.tokens['operator']}"}
    refused = await office.service.client.put("/v1/roster", content=a_roster(), headers=operators)

    fault = {"line": 2, "column": "email", "code": "not-an-address"}
    assert answer == {"supporters": 2, "new": 1, "changed": 0, "left": 0, "faults": [fault]}
    assert refused.status_code == 403
    rows = await office.service.fetch("SELECT supporter_id FROM supporter WHERE active ORDER BY 1")
    assert [row["supporter_id"] for row in rows] == ["s1", "s2", "s3"]


async def test_an_unknown_programme_is_refused_and_a_step_without_its_attempt_too(office: Office) -> None:
    await office.load(a_row("s1"))
    stranger, careless, good = office.referral(), office.referral(), office.referral()
    stranger.programme = stranger.programme.model_copy(update={"id": "unheard-of"})

    await office.say(stranger.created(), careless.logged("supporter-accepted"), good.created(attributes=PEDIATRICS))
    await office.said(good, MatchProposed)

    async def are_listed() -> bool:
        return {each["reason"] for each in await office.items()} == {"unknown-programme", "no-attempt"}

    await until(are_listed, what="both to be quarantined")
