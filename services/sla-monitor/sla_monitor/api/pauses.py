"""What a coordinator may have recorded about a case's clocks: pauses, and that they are reckoned again."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from chassis import Transactions, UnitOfWork
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends, Header
from peerline.events import ProgrammeRef
from peerline.events.deadlines import ClockKind, ReasonCode
from peerline.programme import Programme
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from sla_monitor.api.cases import CaseClocks, view_of
from sla_monitor.domain.calendar import CalendarEnds
from sla_monitor.domain.case import Case
from sla_monitor.domain.recorded import KnownPause
from sla_monitor.pausing import PinnedGone, record_pause, record_recalculation
from sla_monitor.repository import clocks

router = APIRouter()
Coordinator = Annotated[Caller, Depends(require("coordinator"))]
Database = Annotated[Transactions, Depends(transactions_of)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
_YEARS = range(2000, 2101)
"""As in a programme's calendar."""


def _text(value: Any) -> Any:
    """Numbers would pass for seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a date and time with an offset")
    return value


def _of_these_years(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError("is not in a year of these times")
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_of_these_years)]


class NewPause(BaseModel):
    """A pause from an instant on, up to but without another; open without one. Of one kind of clock where it is given."""

    model_config = ConfigDict(extra="forbid")

    code: ReasonCode
    begins_at: Instant
    ends_at: Instant | None = None
    clock: ClockKind | None = None


class ChangedPause(BaseModel):
    """What is to be so from now on; what is not given stays. An `ends_at` of null opens the pause again."""

    model_config = ConfigDict(extra="forbid")

    ends_at: Instant | None = None
    begins_at: Instant | None = None
    code: ReasonCode | None = None


class Reason(BaseModel):
    """Why due times are reckoned again."""

    model_config = ConfigDict(extra="forbid")

    code: ReasonCode


class Paused(CaseClocks):
    """The case's clocks with a pause, and the id of that."""

    pause_id: UUID


class Recalculated(CaseClocks):
    """The case's clocks; `recalculated` is false where they are by what is in force already, and nothing was recorded."""

    recalculated: bool


@router.post("/v1/cases/{referral_id}/pauses")
async def pause(
    referral_id: UUID, wanted: NewPause, _caller: Coordinator, transactions: Database, key: Key = None
) -> Paused:
    """
    Pause the clocks of a case.

    The same request again changes nothing: the same by its `Idempotency-Key`, or without one by begin, code and clock.
    """
    begins_at, ends_at = _ordered(wanted.begins_at, wanted.ends_at)
    async with transactions.begin() as work:
        case = await _known_case(work, referral_id)
        content = (begins_at.isoformat(), wanted.code, wanted.clock or "")
        pause_id = work.ids.pause(referral_id, *(("key", key) if key else ("content", *content)))
        known = case.pauses.get(pause_id)
        if known is None:
            programme = _programme_of(work, case)
            _require_clock(wanted.clock, case, programme)
            asked = KnownPause(pause_id, 0, begins_at, ends_at, wanted.code, wanted.clock)
            case = await _recorded(work, case, asked)
        elif not key and known.ends_at != ends_at:
            raise Problem(409, "already-recorded", field="ends_at", title="this pause is known with another end")
    return Paused(pause_id=pause_id, **dict(view_of(case)))


@router.post("/v1/cases/{referral_id}/pauses/{pause_id}")
async def change_pause(
    referral_id: UUID, pause_id: UUID, wanted: ChangedPause, _caller: Coordinator, transactions: Database
) -> Paused:
    """End an open pause, or correct a wrong one; one that ends where it begins is withdrawn. Again changes nothing."""
    async with transactions.begin() as work:
        case = await _known_case(work, referral_id)
        known = case.pauses.get(pause_id)
        if known is None:
            raise Problem(404, "unknown-pause")
        begins_at, code = wanted.begins_at or known.begins_at, wanted.code or known.code
        ends_at = wanted.ends_at if "ends_at" in wanted.model_fields_set else known.ends_at
        asked = KnownPause(pause_id, known.sequence, *_ordered(begins_at, ends_at), code, known.clock)
        if asked != known:
            case = await _recorded(work, case, asked)
    return Paused(pause_id=pause_id, **dict(view_of(case)))


@router.post("/v1/cases/{referral_id}/recalculation")
async def recalculate(referral_id: UUID, wanted: Reason, _caller: Coordinator, transactions: Database) -> Recalculated:
    """Reckon the clocks about which nothing is decided yet by the programme's file, calendar and zones as they are now."""
    async with transactions.begin() as work:
        case = _open(await _known_case(work, referral_id))
        programme = _programme_of(work, case)
        try:
            again = await record_recalculation(work, case, wanted.code, programme.ref)
        except CalendarEnds:
            raise Problem(422, "calendar-without-the-year") from None
    return Recalculated(recalculated=again is not None, **dict(view_of(again or case)))


async def _known_case(work: UnitOfWork, referral_id: UUID) -> Case:
    """A case with a clock, locked; Problem rolls back what locking one that is not known has made."""
    case = (await clocks.open_cases(work.connection, {referral_id}))[referral_id]
    if not any(clock.begun and clock.start for clock in case.clocks.values()):
        raise Problem(404, "unknown-case")
    return case


def _open(case: Case) -> Case:
    if case.ended_at is not None:
        raise Problem(409, "case-closed")
    return case


def _programme_of(work: UnitOfWork, case: Case) -> Programme:
    """The file by which the case's clocks go; Problem where it was taken away."""
    programme = work.programmes.get(_pinned(case).id)
    if programme is None:
        raise Problem(409, "programme-not-installed")
    return programme


def _pinned(case: Case) -> ProgrammeRef:
    """The programme of a case's clocks, and the digest that the first of them is pinned to."""
    start = next(clock.start for _, clock in sorted(case.clocks.items()) if clock.begun and clock.start)
    return ProgrammeRef(id=start.programme_id, digest=start.programme_digest)


def _require_clock(kind: str | None, case: Case, programme: Programme) -> None:
    kinds = {clock.kind for clock in programme.clocks} | {name.kind for name in case.clocks}
    if kind is not None and kind not in kinds:
        raise Problem(422, "unknown-clock", field="clock")


def _ordered(begins_at: datetime, ends_at: datetime | None) -> tuple[datetime, datetime | None]:
    if ends_at is not None and ends_at < begins_at:
        raise Problem(422, "ends-before-it-begins", field="ends_at")
    return begins_at, ends_at


async def _recorded(work: UnitOfWork, case: Case, asked: KnownPause) -> Case:
    try:
        return await record_pause(work, _open(case), asked, _pinned(case))
    except PinnedGone:
        title = "a clock that would be moved goes by a file, calendar or zones that are no longer installed"
        raise Problem(409, "pinned-version-gone", title=title) from None
    except CalendarEnds:
        raise Problem(422, "calendar-without-the-year", field="ends_at" if asked.ends_at else "begins_at") from None
