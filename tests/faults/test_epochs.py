"""Weekly keys: services that have older or newer ones than the writer, and what nobody can open any more."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from intake.main import service as intake_service
from intake.settings import Settings as IntakeSettings
from matcher.main import service as matcher_service
from matcher.settings import Settings as MatcherSettings
from peerline.compartments import WithdrawalKind
from peerline.events import MatchReleased, ReferralAmended, ReferralCreated, ReferralWithdrawn, Topic
from peerline.sealing import Sealer, key_set, new_key

from tests.support.intake_place import Intake, an_intake
from tests.support.matcher_office import HEADER, a_row
from tests.support.notifier_place import Post, Referral, expect_steps, notifier, post_office, programmes, wait_for_step
from tests.support.workplace import REPOSITORY, Running, Workplace, until

NOW = datetime.now(UTC)
LAST_WEEK, THIS_WEEK = NOW - timedelta(weeks=1), NOW


class Weeks:
    """The keys of last week and of this one, and files of either."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        weeks = (("last", LAST_WEEK), ("this", THIS_WEEK))
        self._keys = {
            (name, audience): new_key(audience, week)
            for name, week in weeks
            for audience in ("matcher", "notifier", "desk", "intake")
        }

    def sealing(self, *weeks: str) -> Path:
        """The public keys of these weeks."""
        found = [key for (week, _), key in self._keys.items() if week in weeks]
        return self._file(f"sealing-{'-'.join(weeks)}.json", key_set(found, private=False))

    def opening(self, audience: str, *weeks: str) -> Path:
        """An audience's private keys of these weeks."""
        found = [self._keys[week, audience] for week in weeks]
        return self._file(f"{audience}-{'-'.join(weeks)}.json", key_set(found, private=True))

    def _file(self, name: str, keys: object) -> Path:
        path = self._place.folder / name
        path.write_text(json.dumps(keys))
        return path


@pytest.fixture
def weeks(workplace: Workplace) -> Weeks:
    return Weeks(workplace)


@asynccontextmanager
async def intake_with(place: Workplace, sealing: Path) -> AsyncIterator[Intake]:
    folder = place.folder / "source-secrets"
    folder.mkdir(exist_ok=True)
    for name in ("shcp-risk-webhook", "rehearsal.secret"):
        (folder / name).write_text("whsec_" + "A" * 32)
    settings = place.settings(
        IntakeSettings,
        "intake",
        sources=REPOSITORY / "deploy" / "sources.yaml",
        source_secrets=folder,
        sealing_keys=sealing,
        programmes=programmes(place.folder / "programmes"),
    )
    async with place.running(intake_service(settings)) as running:
        yield Intake(place, running, "whsec_" + "A" * 32)


@asynccontextmanager
async def matcher_with(place: Workplace, opening: Path, sealing: Path) -> AsyncIterator[Running]:
    """Matcher with three supporters for everybody."""
    overlay = programmes(place.folder / "programmes")
    settings = place.settings(
        MatcherSettings, "matcher", opening_keys=opening, sealing_keys=sealing, programmes=overlay
    )
    async with place.running(matcher_service(settings), ready=False) as running:
        roster = "\n".join([HEADER, *(a_row(f"s{number}", programme="shcp") for number in range(3))])
        answer = await running.client.put("/v1/roster", content=roster, headers={"content-type": "text/csv"})
        assert answer.status_code == 200, answer.text
        yield running


async def entered(intake: Intake, npi: str) -> UUID:
    answer = await intake.enter(programme="shcp", person={"system": "npi", "value": npi})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["referral_id"])


async def unreadable(service: Running) -> list[UUID]:
    items = (await service.client.get("/v1/worklist")).json()["items"]
    return [UUID(item["referral_id"]) for item in items if item["kind"] == "unreadable"]


async def until_unreadable(service: Running, expected: list[UUID]) -> None:
    async def is_so() -> bool:
        return await unreadable(service) == expected

    await until(is_so, seconds=40, what=f"{len(expected)} items about what cannot be read")


async def proposed(place: Workplace, *referral_ids: UUID) -> None:
    """Wait until exactly these referrals have their proposals."""
    await place.wait_for(
        Topic.MATCHES,
        lambda found: sorted(event.referral_id for event in found) == sorted(referral_ids),
        seconds=40,
        what="the proposals",
    )


async def test_what_was_sealed_under_a_destroyed_key_is_listed_resealed_and_moves_on(
    workplace: Workplace, weeks: Weeks
) -> None:
    this_week = weeks.sealing("this")
    async with AsyncExitStack() as running:
        post = await running.enter_async_context(post_office(Post()))
        matcher = await running.enter_async_context(
            matcher_with(workplace, weeks.opening("matcher", "this"), this_week)
        )
        outreach = await running.enter_async_context(
            workplace.running(
                notifier(workplace, post, opening_keys=weeks.opening("notifier", "this"), sealing_keys=this_week)
            )
        )
        async with intake_with(workplace, weeks.sealing("last")) as intake:
            await intake.load()
            referral_id = await entered(intake, "1001")
            await until_unreadable(matcher, [referral_id])
            await until_unreadable(outreach, [referral_id])
        matched_meanwhile = await workplace.events(Topic.MATCHES)

        async with intake_with(workplace, this_week) as intake:
            answer = await intake.client.post(f"/v1/referrals/{referral_id}/reseal")
            await until_unreadable(matcher, [])
            await until_unreadable(outreach, [])
            await wait_for_step(workplace, "supporter-notified", seconds=40)

    assert matched_meanwhile == []
    assert answer.json() == {"referral_id": str(referral_id), "outcome": "resealed"}
    assert len(post.links()) == 1


async def test_a_reader_without_this_weeks_key_waits_for_it_and_loses_nothing(
    workplace: Workplace, weeks: Weeks
) -> None:
    async with intake_with(workplace, weeks.sealing("last")) as intake:
        await intake.load()
        of_last_week = await entered(intake, "1001")
    async with (
        matcher_with(workplace, weeks.opening("matcher", "last"), weeks.sealing("last")) as matcher,
        intake_with(workplace, weeks.sealing("last", "this")) as intake,
    ):
        await proposed(workplace, of_last_week)
        of_this_week = await entered(intake, "1002")

        async def waits() -> bool:
            checks = (await matcher.client.get("/ready")).json()["checks"]
            return bool(checks["consumer"]["held"])

        await until(waits, seconds=40, what="the partition to wait for the key")
        listed = (await matcher.client.get("/v1/worklist")).json()["items"]

    async with matcher_with(workplace, weeks.opening("matcher", "last", "this"), weeks.sealing("last", "this")):
        await proposed(workplace, of_last_week, of_this_week)

    assert listed == []


async def test_intake_says_again_what_stands_of_a_referral_and_refuses_the_rest(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        case, joined = await entered(intake, "1001"), await entered(intake, "1001")

        amended = [await intake.client.post(f"/v1/referrals/{each}/reseal") for each in (case, joined)]
        await intake.client.post(f"/v1/referrals/{case}/withdraw")
        taken_back = await intake.client.post(f"/v1/referrals/{case}/reseal")
        unknown = await intake.client.post(f"/v1/referrals/{uuid4()}/reseal")

        assert [answer.status_code for answer in (*amended, taken_back, unknown)] == [200, 200, 200, 404]
        amendments = await intake.published(ReferralAmended, 2)
        assert {
            each.referral_id: each.sealed is not None and each.sealed.notifier is not None for each in amendments
        } == {
            case: True,
            joined: False,  # outreach has one case for both
        }
        created = await intake.published(ReferralCreated, 1)
        resealed = next(each for each in amendments if each.referral_id == case)
        assert intake.matching(resealed) == intake.matching(created[0])
        assert intake.contact(resealed) == intake.contact(created[0])
        withdrawals = await intake.published(ReferralWithdrawn, 3)
        assert [each.referral_id for each in withdrawals].count(case) == 2


async def test_an_unreadable_withdrawal_is_taken_once_it_is_sealed_anew(workplace: Workplace) -> None:
    referral = Referral(workplace)
    readable = workplace.sealer
    async with post_office(Post()) as post, workplace.running(notifier(workplace, post)) as outreach:
        workplace.sealer = Sealer(key_set([new_key("notifier", LAST_WEEK)], private=False))
        await workplace.publish(referral.created(), referral.withdrawn())

        async def are_listed() -> bool:
            return await unreadable(outreach) == [referral.id, referral.id]

        await until(are_listed, what="both to be listed")
        workplace.sealer = readable
        again = referral.withdrawn(WithdrawalKind.WITHDRAWN)
        await workplace.publish(again.model_copy(update={"event_id": uuid4(), "sequence": 3}))

        await expect_steps(workplace, ["closed"])
        await until_unreadable(outreach, [])


async def test_an_unreadable_proposal_is_off_the_list_once_matcher_has_released_it(workplace: Workplace) -> None:
    referral = Referral(workplace)
    readable = workplace.sealer
    async with post_office(Post()) as post, workplace.running(notifier(workplace, post)) as outreach:
        await workplace.publish(referral.created())
        workplace.sealer = Sealer(key_set([new_key("notifier", LAST_WEEK)], private=False))
        await workplace.publish(referral.proposed())
        await until_unreadable(outreach, [referral.id])
        workplace.sealer = readable

        await workplace.publish(referral.match(MatchReleased), referral.proposed(attempt=2))

        await wait_for_step(workplace, "supporter-notified")
        await until_unreadable(outreach, [])
        assert len(post.links()) == 1
