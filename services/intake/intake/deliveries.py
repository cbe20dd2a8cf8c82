"""
Deliveries of incident systems. Those that wait at the same time are decided in one transaction.

A receipt says that what it confirms is committed, so a delivery by itself costs a commit and some twenty statements. A
group costs the same, and while one group is at work the next one gathers: nothing is ever waited for.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from asyncpg import LockNotAvailableError
from chassis import Transactions, UnitOfWork
from chassis.database import wait_briefly
from chassis.failures import Cause, cause_of
from chassis.http import Problem

from intake import casework, keys
from intake.casework import Verdict
from intake.domain.referring import Arrival
from intake.readers.faults import UnreadableReport
from intake.readers.fhir import read_report
from intake.receipts import receipt_of_all
from intake.repository import incidents, referrals
from intake.repository.records import AnswerRecord
from intake.signatures import is_recent
from intake.sources import Source

ACCEPTED, CONFLICT = 202, 409
MOST = 64  # deliveries in one transaction
LARGEST = 256 * 1024  # bytes of them; a Bundle of a thousand reports keeps a transaction for seconds by itself


@dataclass(frozen=True)
class Delivery:
    """What a source has signed, known by its webhook id and body."""

    source: Source
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    traceparent: str | None = None


@dataclass(frozen=True)
class Taken:
    """What a delivery is answered, and the verdicts on its reports: none where it was answered before."""

    answer: AnswerRecord
    verdicts: Sequence[Verdict] = ()


Outcome = Taken | Problem
Group = list[tuple[Delivery, "asyncio.Future[Taken]"]]


class Deliveries:
    """The deliveries that wait in this process."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Delivery, asyncio.Future[Taken]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def take(self, transactions: Transactions, delivery: Delivery) -> Taken:
        """Take a delivery, beside others that wait; raises its Problem, or what the database raised: then try again."""
        outcome: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, outcome))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._take_all(transactions))
        return await outcome

    async def _take_all(self, transactions: Transactions) -> None:
        while self._waiting:
            group = self._next()
            try:
                await _take_group(transactions, group)
            finally:
                for _, outcome in group:
                    outcome.cancel()  # of those that have none yet: this task was cancelled

    def _next(self) -> Group:
        group: Group = []
        left = LARGEST
        while self._waiting and len(group) < MOST:
            left -= len(self._waiting[0][0].body)
            if group and left < 0:
                break
            group.append(self._waiting.popleft())
        return group


async def _take_group(transactions: Transactions, group: Group) -> None:
    """Decide together; where that fails by one of them, or may have, each by itself: it costs only its own."""
    try:
        async with transactions.begin() as work:
            if len(group) > 1:
                await wait_briefly(work.connection)
            outcomes: Sequence[Taken | Exception] = await decide(work, [delivery for delivery, _ in group])
    except Exception as error:  # noqa: BLE001  raised where each was asked for
        if len(group) > 1 and (isinstance(error, LockNotAvailableError) or cause_of(error) is not Cause.WORLD):
            await asyncio.gather(*[_take_group(transactions, [each]) for each in group])
            return
        outcomes = [error] * len(group)
    for (_, waiting), outcome in zip(group, outcomes, strict=True):
        if waiting.done():  # whoever asked is gone
            continue
        if isinstance(outcome, Exception):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)


async def decide(work: UnitOfWork, deliveries: Sequence[Delivery]) -> list[Outcome]:
    """What each of these is answered, in their order."""
    await incidents.hold_directory(work.connection)
    names = [_names(work, delivery) for delivery in deliveries]
    known = await referrals.claim_answers(work.connection, work.vault, [key for key, _ in names])
    found: list[Outcome | Sequence[Arrival]] = [
        _earlier(work, delivery, digest, known.get(key)) or ()
        for delivery, (key, digest) in zip(deliveries, names, strict=True)
    ]
    unread = {number: delivery for number, delivery in enumerate(deliveries) if not found[number]}
    for number, arrivals in (await asyncio.to_thread(_read_all, work, unread)).items():
        found[number] = arrivals
    outcomes = await _decide(work, found)
    answers = {
        key: (digest, outcome.answer)
        for (key, digest), outcome in zip(names, outcomes, strict=True)
        # A sender that gives another body the same id has made a mistake that must not cost a physician.
        if isinstance(outcome, Taken) and key not in known
    }
    await referrals.save_answers(work.connection, work.vault, answers)
    return outcomes


def _names(work: UnitOfWork, delivery: Delivery) -> tuple[UUID, UUID]:
    key = keys.answer_key(work.ids, f"webhook/{delivery.source.id}", delivery.headers["webhook-id"])
    return key, keys.digest_of(work.ids, hashlib.sha256(delivery.body).hexdigest())


def _earlier(
    work: UnitOfWork, delivery: Delivery, digest: UUID, known: tuple[UUID, AnswerRecord] | None
) -> Outcome | None:
    """What needs no decision: a signature that is too old by the database's clock, or an answer that was given."""
    if not is_recent(delivery.headers, work.now):
        return Problem(401, "not-signed")
    return Taken(known[1]) if known and known[0] == digest else None


def _read_all(work: UnitOfWork, deliveries: Mapping[int, Delivery]) -> dict[int, Problem | list[Arrival]]:
    """In a thread: a large Bundle takes a fifth of a second."""
    return {number: _read(work, delivery) for number, delivery in deliveries.items()}


def _read(work: UnitOfWork, delivery: Delivery) -> Problem | list[Arrival]:
    rules = casework.rules_of(work, delivery.source)
    try:
        reports = read_report(delivery.body, source=rules, arrived_at=work.now)
    except UnreadableReport as fault:
        return Problem(422, fault.code, field=fault.path or None)
    return [casework.arrival_of(work, delivery.source, each, work.now, delivery.traceparent) for each in reports]


async def _decide(work: UnitOfWork, found: Sequence[Outcome | Sequence[Arrival]]) -> list[Outcome]:
    arrivals = [arrival for each in found if not isinstance(each, Outcome) for arrival in each]
    verdicts = iter(await casework.decide(work, arrivals) if arrivals else ())
    outcomes: list[Outcome] = []
    for each in found:
        if isinstance(each, Outcome):
            outcomes.append(each)
        else:
            own = [next(verdicts) for _ in each]
            outcomes.append(Taken(_answer(own), own))
    return outcomes


def _answer(verdicts: Sequence[Verdict]) -> AnswerRecord:
    """202 if anything was taken; what contradicts its incident then stands on the worklist and in the receipt."""
    taken = any(verdict.taken for verdict in verdicts)
    return AnswerRecord(status=ACCEPTED if taken else CONFLICT, body=receipt_of_all(verdicts))
