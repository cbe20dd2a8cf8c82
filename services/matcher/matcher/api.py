"""The coordinator's HTTP: the roster, suggestions, and acts on worklist items."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis import Item, Transactions, UnitOfWork, stays
from chassis.http import Caller, Problem, require, transactions_of
from chassis.worklist import Action
from fastapi import APIRouter, Depends, Request

from matcher import casework
from matcher.domain import facts, roster
from matcher.domain.eligibility import Supporter
from matcher.domain.facts import Fact
from matcher.domain.roster import Entry
from matcher.domain.state import Attempt, Stage
from matcher.repository import cases, queue, supporters
from matcher.repository.cases import Record
from matcher.repository.supporters import Listed

router = APIRouter()
Coordinator = Annotated[Caller, Depends(require("coordinator"))]
Database = Annotated[Transactions, Depends(transactions_of)]
Body = Mapping[str, Any]


@router.put("/v1/roster")
async def put_roster(request: Request, _caller: Coordinator, transactions: Database) -> dict[str, Any]:
    """
    Take a roster (CSV): the whole roster of every programme that it names.

    A supporter whom it no longer names is deactivated; a row with a fault changes nothing.
    """
    reading = roster.read(await _text(request), programmes=_programmes(transactions), is_zone=_is_zone)
    programmes = {entry.programme for entry in reading.entries}
    async with transactions.begin() as work:
        new, changed = await supporters.save_roster(
            work.connection, [_listed(work, entry) for entry in reading.entries]
        )
        left: set[str] = set()
        if reading.named is not None:
            left = await supporters.retire_missing(work.connection, programmes, reading.named)
        if new or changed or left:
            await queue.check_attempts_of(work.connection, new | changed | left)
            await supporters.pool_changed(work.connection, programmes, roster=True)
            work.wake()
    return {
        "supporters": len(reading.entries),
        "new": len(new),
        "changed": len(changed),
        "left": len(left),
        "faults": [{"line": each.line, "column": each.column, "code": each.code} for each in reading.faults],
    }


@router.get("/v1/suggestions/{referral_id}")
async def suggestion(referral_id: UUID, _caller: Coordinator, transactions: Database) -> dict[str, Any]:
    """Whom the matcher suggests for a referral that waits for approval."""
    async with transactions.begin() as work:
        _, attempt = await _suggested(work, referral_id)
        assert attempt.supporter is not None
        contact = (await casework.contacts_of(work, [attempt.supporter]))[attempt.supporter]
    return {"attempt": attempt.number, "supporter": {"supporter_id": attempt.supporter, "name": contact.name}}


@router.post("/v1/referrals/{referral_id}/release")
async def release(referral_id: UUID, _caller: Coordinator, transactions: Database) -> dict[str, str]:
    """End the open attempt of a referral; a confirmed match is ended by notifier, which is asked to."""
    async with transactions.begin() as work:
        return {"was": await _release(work, referral_id)}


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(422, "not-utf-8") from None


def _programmes(transactions: Transactions) -> frozenset[str]:
    return frozenset(transactions.surroundings.programmes)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _listed(work: UnitOfWork, entry: Entry) -> Listed:
    """A supporter as stored: contact encrypted, every identifier a pseudonym."""
    pseudonyms = frozenset(work.pseudonyms.of(system, value) for system, value in entry.people())
    supporter = Supporter(
        supporter_id=entry.supporter_id,
        programme=entry.programme,
        active=entry.active,
        trained_at=entry.trained_at,
        capacity=entry.capacity,
        zone=entry.zone or work.programmes[entry.programme].time_zone,
        pseudonyms=pseudonyms,
        attributes=entry.attributes,
    )
    contact = casework.locked_contact(work, entry.supporter_id, name=entry.name, email=entry.email, phone=entry.phone)
    said = repr((supporter, sorted(pseudonyms), sorted(entry.attributes.items()), entry.name, entry.email, entry.phone))
    return Listed(supporter, contact, fingerprint=work.pseudonyms.of("roster-row", said))


# --- acts on worklist items --------------------------------------------------------------------------


async def approve(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Propose the suggested supporter."""
    record, attempt = await _suggested(work, _referral(item))
    if record.case.held:
        raise Problem(409, "held")
    assert attempt.supporter is not None
    contacts = await casework.contacts_of(work, [attempt.supporter])
    casework.tell(work, record, facts.Approved(attempt.number), contacts[attempt.supporter])
    await casework.put(work, [record])


async def suggest_another(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Have somebody else suggested; the first is not suggested again."""
    record, attempt = await _suggested(work, _referral(item))
    casework.tell(work, record, facts.Rejected(attempt.number))
    await casework.put(work, [record])


async def retry(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Look again, with as many attempts as the programme gives a new case."""
    record = await _known(work, _referral(item))
    if record.rules is not None:
        casework.tell(work, record, facts.Renewed(record.rules.attempts, by_human=True))
    await casework.put(work, [record])


async def release_match(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Ask notifier to end a confirmed match."""
    await _release(work, _referral(item))


async def wants_to_talk(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Note that the physician wants to talk, where the event that says so could not be opened."""
    await _wish(work, item, wants=True)


async def does_not_want(work: UnitOfWork, item: Item, _body: Body) -> None:
    """Note that the physician does not want to talk, where the event that says so could not be opened."""
    await _wish(work, item, wants=False)


ACTIONS: Mapping[str, Mapping[str, Action]] = {
    "approval": {"approve": approve, "another": suggest_another, "resolve": stays},
    "unmatched": {"retry": retry, "resolve": stays},
    "unreadable": {"resolve": stays},
    "unreadable-step": {"wants-to-talk": wants_to_talk, "does-not-want": does_not_want, "resolve": stays},
    "supporter-left": {"release": release_match},
}


def _referral(item: Item) -> UUID:
    if item.referral_id is None:
        raise Problem(409, "not-about-a-referral")
    return item.referral_id


async def _known(work: UnitOfWork, referral_id: UUID) -> Record:
    record = (await cases.read_locked(work.connection, [referral_id])).get(referral_id)
    if record is None:
        raise Problem(404, "no-such-referral")
    return record


async def _suggested(work: UnitOfWork, referral_id: UUID) -> tuple[Record, Attempt]:
    record = await _known(work, referral_id)
    attempt = record.case.current
    if attempt is None or attempt.stage is not Stage.SUGGESTED:
        raise Problem(404, "no-suggestion")
    return record, attempt


async def _release(work: UnitOfWork, referral_id: UUID) -> str:
    record = await _known(work, referral_id)
    attempt = record.case.current
    if attempt is None:
        raise Problem(409, "no-match")
    casework.tell(work, record, facts.ReleaseWanted(attempt.number))
    await casework.put(work, [record])
    return attempt.stage.value


async def _wish(work: UnitOfWork, item: Item, *, wants: bool) -> None:
    record = await _known(work, _referral(item))
    fact: Fact = facts.Wish(work.now, wants=wants)
    casework.tell(work, record, fact)
    await casework.put(work, [record])
