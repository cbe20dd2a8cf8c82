"""The feed of incident systems, when one of them goes wrong."""

import json

from peerline.events import Topic

from tests.support.intake_place import Intake, a_report, an_intake
from tests.support.workplace import Workplace, until

RISK, QUALITY = b"shcp-risk", b"shcp-quality"
Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def broken(source: bytes) -> Record:
    return (b"same", b"{broken", [("peerline-source", source)])


def good(source: bytes, npi: str) -> Record:
    report = a_report(npi, incident=f"EV-{npi}")
    return (b"same", json.dumps(report).encode(), [("peerline-source", source)])


async def test_one_source_that_goes_wrong_is_an_urgent_item_and_the_others_are_taken(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        await workplace.produce(Topic.ADVERSE_EVENTS, *[broken(RISK)] * 9, good(QUALITY, "1001"), broken(RISK))

        await intake.until_rows("SELECT FROM quarantine WHERE source = 'shcp-risk'", 10)
        await intake.until_rows("SELECT FROM referral", 1)
        item = (await intake.items())["source-failing"]
        assert (item["urgent"], item["reason"]) == (True, "not-json")
        assert item["subject"].endswith(".adverse-events.v1/shcp-risk")
        assert (await intake.client.get("/ready")).status_code == 200


async def test_a_record_of_a_failing_source_is_replayed_from_the_topic(workplace: Workplace) -> None:
    async with an_intake(workplace, role="operator") as intake:
        await workplace.produce(Topic.ADVERSE_EVENTS, *[broken(RISK)] * 7)
        await intake.until_rows("SELECT FROM quarantine", 7)

        entries = (await intake.client.get("/v1/quarantine")).json()["entries"]
        answers = [await intake.client.post(f"/v1/quarantine/{entry['id']}/replay") for entry in entries]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "not-json")] * 7


async def test_two_sources_that_go_wrong_for_the_same_reason_halt_the_feed(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await workplace.produce(Topic.ADVERSE_EVENTS, *[broken(RISK)] * 8, *[broken(QUALITY)] * 8)

        await until(lambda: _is_halted(intake), what="the feed to be halted")

        await intake.until_rows("SELECT FROM quarantine WHERE source = 'shcp-risk'", 8)
        await intake.until_rows("SELECT FROM quarantine WHERE source = 'shcp-quality'", 5)
        assert (await intake.items())["halted"]["reason"] == "not-json"


async def test_records_of_nobody_known_halt_the_feed(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await workplace.produce(Topic.ADVERSE_EVENTS, *[broken(b"forgotten-in-the-file")] * 8)

        await until(lambda: _is_halted(intake), what="the feed to be halted")

        await intake.until_rows("SELECT FROM quarantine", 5)
        assert (await intake.items())["halted"]["reason"] == "unknown-source"


async def _is_halted(intake: Intake) -> bool:
    checks = (await intake.client.get("/ready")).json()["checks"]
    return bool(checks["consumer"]["halted"])
