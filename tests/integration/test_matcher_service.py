"""Matcher as a running service: from a referral to a confirmed match. The test plays intake and notifier."""

from datetime import UTC, datetime, timedelta

from peerline.compartments import SupporterContact
from peerline.events import (
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    MatchUnavailable,
)

from tests.support.matcher_office import PEDIATRICS, TRACE, Office, a_row


async def test_a_referral_is_proposed_confirmed_and_closed_within_one_trace(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()

    await office.say(referral.created(attributes=PEDIATRICS))
    (proposed,) = await office.said(referral, MatchProposed)
    await office.say(referral.logged("supporter-notified", 1), referral.logged("supporter-accepted", 1))
    _, confirmed = await office.said(referral, MatchProposed, MatchConfirmed)
    await office.say(referral.logged("closed", 1))
    await office.settled(referral, lambda stages: stages == ["ended"])

    assert office.asked(proposed) == SupporterContact(
        supporter_id="s1", name="Dr s1", email="s1@example.org", phone="+1 555 0100", zone="America/Toronto"
    )
    assert (confirmed.attempt, confirmed.match_id, confirmed.sequence) == (1, proposed.match_id, 2)
    records = await office.records(2)
    traces = {dict(record.headers)["traceparent"].decode().split("-")[1] for record in records}
    assert traces == {TRACE.split("-")[1]}
    rows = await office.service.fetch("SELECT profile, rest_until FROM referral JOIN match USING (referral_id)")
    assert rows[0]["profile"] is None
    assert rows[0]["rest_until"] > datetime.now(UTC) + timedelta(days=13)


async def test_names_and_contacts_are_nowhere_in_the_database_or_in_public(office: Office) -> None:
    await office.load(a_row("s1", name="Okafor", email="okafor@example.org", phone="5550199"))
    referral = office.referral()
    await office.say(referral.created(("p-of-physician",), attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    rows = [
        str(dict(row))
        for table in ("supporter", "referral", "match", "outbox", "worklist_item")
        for row in await office.service.fetch(f"SELECT * FROM {table}")  # noqa: S608  constant
    ]
    records = await office.records(1)

    for text in [*rows, *[str((record.key, record.value, record.headers)) for record in records]]:
        for secret in ("kafor", "5550199", "p-of-physician", "Pediatrics"):
            assert secret not in text


async def test_a_declined_proposal_goes_to_another_and_after_all_attempts_to_the_coordinator(office: Office) -> None:
    await office.load(a_row("s1"), a_row("s2"), a_row("s3"))
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    await office.say(referral.logged("supporter-declined", 1))
    first = await office.said(referral, MatchProposed, MatchReleased, MatchProposed)
    await office.say(referral.logged("supporter-declined", 2))
    told = await office.said(referral, MatchProposed, MatchReleased, MatchProposed, MatchReleased, MatchUnavailable)
    item = await office.item("unmatched", referral)
    refused = await office.act(item, "resolve")
    retried = await office.act(item, "retry")
    again = await office.said(referral, *[type(event) for event in told], MatchProposed)

    assert (item["reason"], refused, retried) == ("attempts-used-up", 409, 200)
    asked = [office.asked(event).supporter_id for event in (first[0], first[2], again[-1])]
    assert sorted(asked) == ["s1", "s2", "s3"]
    assert [event.sequence for event in again] == [1, 2, 3, 4, 5, 6]
    assert await office.items() == []


async def test_no_answer_in_the_window_releases_the_proposal(office: Office) -> None:
    await office.load(a_row("s1"), a_row("s2"))
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    asked_at = datetime.now(UTC) - timedelta(hours=12) + timedelta(seconds=2)  # the window is 12 h
    await office.say(referral.logged("supporter-notified", 1, at=asked_at))
    told = await office.said(referral, MatchProposed, MatchReleased, MatchProposed)

    assert told[1].occurred_at >= asked_at + timedelta(hours=12)


async def test_whoever_shares_an_identifier_or_the_training_programme_is_never_asked(office: Office) -> None:
    await office.load(
        a_row("npi"),
        a_row("mail"),
        a_row("phone", phone="(555) 010-9999"),
        a_row("same", training="Pediatrics"),
        a_row("unknown", training=""),
        a_row("untrained", trained_at=""),
        a_row("inactive", active="no"),
        a_row("other", programme="inviting"),
        a_row("right"),
    )
    referral, nobodys = office.referral(), office.referral()
    excluded = [("NPI", " npi "), ("email", "Mail@Example.org"), ("phone", "5550109999")]
    excluded_pseudonyms = tuple(office.pseudonyms.of(system, value) for system, value in excluded)

    await office.say(referral.created(excluded=excluded_pseudonyms, attributes=PEDIATRICS))
    (proposed,) = await office.said(referral, MatchProposed)
    await office.say(nobodys.created(excluded=excluded_pseudonyms))
    await office.said(nobodys, MatchUnavailable)

    assert office.asked(proposed).supporter_id == "right"


async def test_whoever_is_unmatched_is_tried_again_when_the_roster_changes(office: Office) -> None:
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchUnavailable)
    await office.item("unmatched", referral)

    await office.load(a_row("s1"))
    await office.said(referral, MatchUnavailable, MatchProposed)

    assert await office.items() == []


async def test_whoever_is_unmatched_is_tried_again_when_a_seat_is_free(office: Office) -> None:
    await office.load(a_row("s1", capacity="1"))
    first, second = office.referral(), office.referral()
    await office.say(first.created(attributes=PEDIATRICS))
    await office.said(first, MatchProposed)
    await office.say(second.created(attributes=PEDIATRICS))
    await office.said(second, MatchUnavailable)

    await office.say(first.logged("closed"))

    await office.said(second, MatchUnavailable, MatchProposed)


async def test_whoever_is_unmatched_is_tried_again_when_a_rest_ends(office: Office) -> None:
    await office.load(a_row("s1"))
    first, second = office.referral(), office.referral()
    await office.say(first.created(attributes=PEDIATRICS))
    await office.said(first, MatchProposed)
    await office.say(first.logged("supporter-accepted", 1))
    await office.said(first, MatchProposed, MatchConfirmed)
    closed_at = datetime.now(UTC) - timedelta(days=14) + timedelta(seconds=4)  # the cool-off is 14 days
    await office.say(first.logged("closed", at=closed_at))
    await office.settled(first, lambda stages: stages == ["ended"])

    await office.say(second.created(attributes=PEDIATRICS))
    _, proposed = await office.said(second, MatchUnavailable, MatchProposed)

    assert proposed.occurred_at >= closed_at + timedelta(days=14)


async def test_a_coordinator_sees_and_approves_a_suggestion_or_wants_another(office: Office) -> None:
    await office.load(a_row("s1", programme="approved"), a_row("s2", programme="approved"))
    referral = office.referral("approved")
    await office.say(referral.created(attributes=PEDIATRICS))

    item = await office.item("approval", referral)
    seen = (await office.service.client.get(f"/v1/suggestions/{referral.referral_id}")).json()
    assert await office.act(item, "resolve") == 409
    assert await office.act(item, "another") == 200
    assert await office.act(await office.item("approval", referral), "approve") == 200
    (proposed,) = await office.said(referral, MatchProposed)

    assert seen["supporter"]["name"] == f"Dr {seen['supporter']['supporter_id']}"
    assert office.asked(proposed).supporter_id != seen["supporter"]["supporter_id"]
    assert proposed.attempt == 2
    assert await office.items() == []


async def test_where_the_programme_invites_first_the_physicians_wish_starts_the_match(office: Office) -> None:
    await office.load(a_row("s1", programme="inviting"))
    referral, later = office.referral("inviting"), office.referral("inviting")

    await office.say(later.privately("wants-to-talk"), later.created(attributes=PEDIATRICS))
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(later, MatchProposed)
    assert await office.stage(referral) == []
    await office.say(referral.privately("wants-to-talk"))

    await office.said(referral, MatchProposed)
