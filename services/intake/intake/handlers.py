"""What intake reads from Kafka: reports of incidents, and how outreach went."""

import asyncio
import re
from collections.abc import Sequence

from chassis import Consumer, FeedRecord, UnitOfWork
from chassis.log import logger
from peerline.events import OutreachLogged, Topic

from intake import casework
from intake.domain.outcomes import STEPS, note_step
from intake.domain.referring import Arrival
from intake.metrics import REPORTS
from intake.readers.fhir import UnreadableReport, read_reports
from intake.repository import incidents
from intake.sources import Source, Sources

SOURCE_HEADER = "peerline-source"
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
consumer = Consumer("intake")
log = logger("intake")


@consumer.on_feed(Topic.ADVERSE_EVENTS)
async def take_reports(records: Sequence[FeedRecord], work: UnitOfWork) -> None:
    """Take what incident systems report; what cannot be read is set aside, and its neighbours go through."""
    arrivals = await asyncio.to_thread(_all_arrivals, records, work)  # of 500 records, an eighth of a second
    if not arrivals:
        return
    for verdict in await casework.decide(work, arrivals):
        REPORTS.labels("kafka", "taken" if verdict.taken else "conflict").inc()


@consumer.on(OutreachLogged)
async def follow_outreach(steps: Sequence[OutreachLogged], work: UnitOfWork) -> None:
    """Note which cases have closed, and give a case of its own to a referral that came too late to join one."""
    acting = [step for step in steps if step.step in STEPS]
    if not acting:
        return
    await incidents.hold_directory(work.connection)
    book = await casework.book_of_referrals(work, {step.referral_id for step in acting})
    for step in acting:
        note_step(book.cases, book.directory, step.referral_id, step.step or "", step.into)
    await casework.save(work, book)


def _all_arrivals(records: Sequence[FeedRecord], work: UnitOfWork) -> list[Arrival]:
    return [arrival for record in records for arrival in _arrivals(record, work)]


def _arrivals(record: FeedRecord, work: UnitOfWork) -> list[Arrival]:
    source = _source_of(record, work)
    if source is None:
        work.set_aside(record, "unknown-source", SOURCE_HEADER)
        return []
    if source.test:
        log.info("rehearsal_passed_over", source=source.id)
        return []
    if record.value is None:
        work.set_aside(record, "no-report", source=source.id)
        return []
    try:
        rules = casework.rules_of(work, source)
        reading = read_reports(record.value, source=rules, arrived_at=record.arrived_at)
    except UnreadableReport as fault:
        work.set_aside(record, fault.code, fault.path, source=source.id)
        return []
    for left_out in reading.faults[:1]:
        work.set_aside(record, left_out.code, left_out.path, source=source.id)
    traceparent = _traceparent_of(record)
    return [casework.arrival_of(work, source, report, record.arrived_at, traceparent) for report in reading.reports]


def _source_of(record: FeedRecord, work: UnitOfWork) -> Source | None:
    header = record.headers.get(SOURCE_HEADER, b"")
    return work.get(Sources).get(header.decode("utf-8", "replace"))


def _traceparent_of(record: FeedRecord) -> str | None:
    text = record.headers.get("traceparent", b"").decode("ascii", "replace")
    return text if TRACEPARENT.fullmatch(text) else None
