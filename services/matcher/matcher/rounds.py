"""
The work that time or a wake-up triggers: check what has changed, end what was not answered, match who waits.

Each step claims a few cases in a small transaction and skips what another process holds. A case that fails
is set aside and the others go on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import THE_WORLD, Transactions, UnitOfWork
from peerline.compartments import SupporterContact

from matcher import casework, metrics
from matcher.domain import facts
from matcher.domain.eligibility import Need, Supporter, serving_bar, standing_bar
from matcher.domain.ranking import Pool
from matcher.domain.rules import Rules
from matcher.repository import cases, queue, supporters
from matcher.repository.cases import Record
from matcher.repository.queue import Due
from matcher.repository.supporters import Versions

CLAIM = 25  # cases at a time: the choice for 25 among 1,000 supporters takes about 20 ms
SHORTEST_PAUSE = timedelta(milliseconds=100)
CATCHING_UP = timedelta(milliseconds=500)
STUCK_PAUSE = timedelta(minutes=15)

Claim = Callable[[UnitOfWork, int], Awaitable[list[UUID]]]
Act = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[bool]]


async def run(transactions: Transactions) -> timedelta | None:
    """Do what is due; gives the time until something is due again."""
    due = await _look(transactions)
    if due.changed or due.unanswered:
        await _until_done(transactions, _changed, _check)
        await _until_done(transactions, _unanswered, _end_unanswered)
        due = await _look(transactions)
    for programme in due.seeking:
        matching = Matching(programme)
        await _until_done(transactions, matching.claim, matching.match, failed=matching.forget_pool)
    if due.seeking:
        due = await _look(transactions)
    if due.seeking or due.changed:
        return SHORTEST_PAUSE  # another process held a seat or a case
    if due.seconds is None:
        return None
    # What is due already waits until the answers that may be under way have been taken in.
    return max(timedelta(seconds=due.seconds), SHORTEST_PAUSE if due.seconds > 0 else CATCHING_UP)


async def _look(transactions: Transactions) -> Due:
    async with transactions.begin() as work:
        return await queue.look(work.connection, (await work.horizon()).certain)


def _nothing_kept() -> None:
    """What to do after a rollback where nothing is kept from one transaction to the next."""


async def _until_done(
    transactions: Transactions, claim: Claim, act: Act, failed: Callable[[], None] = _nothing_kept
) -> None:
    """
    Claim and act until nothing is left, or nothing can be done about what is left; `failed` after a rollback.

    A claim that is not full was the last: what comes after it rings.
    """
    more = True
    while more:
        claimed: list[UUID] = []
        try:
            async with transactions.begin() as work:
                claimed = await claim(work, CLAIM)
                more = bool(claimed) and await act(work, claimed) and len(claimed) == CLAIM
        except THE_WORLD:
            raise
        except Exception:  # one of these cases fails: find out which
            failed()
            if not claimed:
                raise
            for referral_id in claimed:
                if not await _one_alone(transactions, act, referral_id):
                    failed()


async def _one_alone(transactions: Transactions, act: Act, referral_id: UUID) -> bool:
    """Act on one case in a transaction of its own; if it fails (False), it becomes a worklist item and waits."""
    try:
        async with transactions.begin() as work:
            if await queue.claim_one(work.connection, referral_id):
                await act(work, [referral_id])
        return True
    except THE_WORLD:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the others go on
        async with transactions.begin() as work:
            await queue.set_aside(work.connection, referral_id, work.now + STUCK_PAUSE)
            await work.list_stuck(referral_id, error)
        return False


# --- what was not answered ---------------------------------------------------------------------------


async def _unanswered(work: UnitOfWork, limit: int) -> list[UUID]:
    """Cases whose window was over at an instant up to which every answer has been taken in."""
    return await queue.claim_unanswered(work.connection, (await work.horizon()).certain, limit)


async def _end_unanswered(work: UnitOfWork, ids: Sequence[UUID]) -> bool:
    until = (await work.horizon()).certain
    records = await cases.read_locked(work.connection, ids)
    for record in records.values():
        attempt = record.case.current
        if attempt is not None and attempt.answer_by is not None and attempt.answer_by <= until:
            casework.tell(work, record, facts.WindowOver(attempt.number))
    await casework.put(work, records.values())
    return True


# --- what has changed under an open attempt ----------------------------------------------------------


async def _changed(work: UnitOfWork, limit: int) -> list[UUID]:
    return await queue.claim_changed(work.connection, limit)


async def _check(work: UnitOfWork, ids: Sequence[UUID]) -> bool:
    """Check open attempts against the rules again, since the roster or the profile has changed."""
    await queue.begin_check(work.connection, ids)
    records = await cases.read_locked(work.connection, ids)
    asked = {record.case.current.supporter for record in records.values() if record.case.current}
    listed = await supporters.read(work.connection, [each for each in asked if each is not None])
    needs = await _needs(work, [record for record in records.values() if record.case.readable])
    for record in records.values():
        _check_one(work, record, listed, needs.get(record.referral_id))
    await casework.put(work, records.values())
    return True


def _check_one(work: UnitOfWork, record: Record, listed: dict[str, Supporter], need: Need | None) -> None:
    """Check one open attempt; what is newly sealed and cannot be read is an item, and checked once it can."""
    attempt, rules = record.case.current, record.rules
    if attempt is None or attempt.supporter not in listed or rules is None:
        return
    supporter = listed[attempt.supporter]
    today = _today(rules, work.now)
    if serving_bar(supporter, record.programme.id, today) is not None:
        casework.tell(work, record, facts.SupporterLeft(attempt.number))
    elif need is not None and standing_bar(supporter, need, rules, today) is not None:
        casework.tell(work, record, facts.ReleaseWanted(attempt.number))


# --- who waits ---------------------------------------------------------------------------------------


@dataclass
class Choice:
    """A case and the supporter that was chosen for it, None where there is nobody."""

    record: Record
    supporter: Supporter | None


class Matching:
    """Matches the waiting cases of one programme, with one pool for as long as it does not change."""

    def __init__(self, programme: str) -> None:
        self.programme = programme
        self._versions: Versions | None = None
        self._pool: Pool | None = None

    async def claim(self, work: UnitOfWork, limit: int) -> list[UUID]:
        """The longest waiting cases that have not been tried with this pool."""
        return await queue.claim_seeking(work.connection, self.programme, limit)

    async def match(self, work: UnitOfWork, ids: Sequence[UUID]) -> bool:
        """Choose for these cases and take the seats; gives whether it got any further with them."""
        versions = await supporters.pool_versions(work.connection, self.programme)
        records = list((await cases.read_locked(work.connection, ids)).values())
        pool = await self._see_pool(work, versions)
        for record in records:
            _renew(work, record, versions)
        needs = await _needs(work, records)
        choices = [_choose(pool, record, needs[record.referral_id], work.now) for record in by_waiting(records)]
        places = [choice for choice in choices if choice.supporter is not None]
        taken = await _take_seats(work, places)
        if taken == len(places):  # else the pool was not what it seemed, and nobody may be said to be missing
            for choice in choices:
                if choice.supporter is None:
                    _nobody(work, choice.record, versions, pool)
        self._pool, self._versions = pool if taken == len(places) else None, versions
        await casework.put(work, records)
        metrics.LEFT_FOR_LATER.inc(len(places) - taken)
        return taken > 0 or not places

    def forget_pool(self) -> None:
        """Read the pool anew: seats that were counted as taken were not, since the transaction failed."""
        self._pool = None

    async def _see_pool(self, work: UnitOfWork, versions: Versions) -> Pool:
        """Read the pool unless it is still the same; the versions were read before it, so no change is missed."""
        if self._pool is not None and versions == self._versions:
            return self._pool
        listed = await supporters.active_of(work.connection, self.programme)
        seats = await supporters.seats(work.connection, [each.supporter_id for each in listed])
        return Pool(listed, seats, now=work.now)


def _renew(work: UnitOfWork, record: Record, versions: Versions) -> None:
    """A new roster is worth one further attempt to a case that has used up its own."""
    if record.case.exhausted and record.tried_roster is not None and record.tried_roster < versions.roster:
        casework.tell(work, record, facts.Renewed(1, by_human=False))


def _choose(pool: Pool, record: Record, need: Need, now: datetime) -> Choice:
    if record.rules is None or record.case.exhausted:
        return Choice(record, None)
    return Choice(record, pool.choose(need, record.rules, _today(record.rules, now)))


async def _take_seats(work: UnitOfWork, choices: Sequence[Choice]) -> int:
    """Take the chosen seats under the supporters' locks; what is no longer so is chosen again later."""
    ids = {choice.supporter.supporter_id for choice in choices if choice.supporter is not None}
    if not ids:
        return 0
    locked = await supporters.lock_free(work.connection, ids)
    seats = Pool(locked.values(), await supporters.seats(work.connection, locked), now=work.now)
    contacts = await casework.contacts_of(work, locked)
    return sum(_take_seat(work, choice, seats, contacts) for choice in choices)


def _take_seat(work: UnitOfWork, choice: Choice, seats: Pool, contacts: Mapping[str, SupporterContact]) -> bool:
    record, supporter, rules = choice.record, choice.supporter, choice.record.rules
    assert supporter is not None
    assert rules is not None
    listed_now = seats.free(supporter.supporter_id, rules)
    if listed_now is None or listed_now.version != supporter.version:
        return False
    chosen = facts.Chosen(supporter.supporter_id, rules.needs_approval)
    if not casework.tell(work, record, chosen, contacts[supporter.supporter_id]):
        return False
    seats.take(supporter.supporter_id)
    return True


def _nobody(work: UnitOfWork, record: Record, versions: Versions, pool: Pool) -> None:
    """Say so once, and wait for the pool to change or for somebody to become eligible by mere time."""
    casework.tell(work, record, facts.NobodyFound())
    record.tried_version, record.tried_roster, record.touched = versions.pool, versions.roster, True
    record.try_at = None
    if record.rules is not None and not record.case.exhausted:
        record.try_at = _next_change(pool, record.rules, work.now)


def _next_change(pool: Pool, rules: Rules, now: datetime) -> datetime | None:
    """The next instant at which a rest ends or a training begins to count."""
    day = pool.next_trained(_today(rules, now))
    begins = None if day is None else datetime.combine(day, time(), ZoneInfo(rules.zone))
    return min((each for each in (pool.next_change(), begins) if each is not None), default=None)


def _today(rules: Rules, now: datetime) -> date:
    return now.astimezone(ZoneInfo(rules.zone)).date()


def by_waiting(records: Sequence[Record]) -> list[Record]:
    """The longest waiting first."""
    return sorted(records, key=lambda each: (each.received_at is None, each.received_at, each.referral_id))


async def _needs(work: UnitOfWork, records: Sequence[Record]) -> dict[UUID, Need]:
    """What each case asks for: its own profile, and whoever is excluded by what joined it."""
    stored = await cases.profiles(work.connection, [record.referral_id for record in records])
    needs = {}
    for record in records:
        opened = {whose: casework.opened_profile(work, whose, locked) for whose, locked in stored[record.referral_id]}
        own = opened[record.referral_id]
        people = {each for profile in opened.values() for each in (*profile.person, *profile.excluded)}
        needs[record.referral_id] = Need(
            referral_id=record.referral_id,
            programme=record.programme.id,
            people=frozenset(people),
            attributes=own.attributes,
            preferences=own.preferences,
            asked=record.case.asked,
        )
    return needs
