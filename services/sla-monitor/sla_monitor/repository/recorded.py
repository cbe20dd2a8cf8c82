"""Pauses of a case, starts of a clock that were several or moved, steps of an escalation: as JSON, since most have none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sla_monitor.domain.case import Pinned, Start
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.recorded import KnownPause, Recalculation

_START_INSTANTS = ("due_at", "starts_at", "entered_at", "warn_at")
_START_VALUES = ("firmness", "programme_id", "programme_digest", "explanation", "any_later", "reported_within")


def written_pauses(pauses: Mapping[UUID, KnownPause]) -> str | None:
    """As `read_pauses` takes it; None without any."""
    return json.dumps([asdict(pause) for pause in pauses.values()], default=_text) if pauses else None


def read_pauses(written: str | None) -> dict[UUID, KnownPause]:
    """The pauses of a case by their ids."""
    pauses = [_pause(**each) for each in json.loads(written)] if written else []
    return {pause.pause_id: pause for pause in pauses}


def written_starts(starts: Sequence[Start]) -> str | None:
    """As `read_starts` takes it; None without any."""
    return json.dumps([_written(start) for start in starts], default=_text) if starts else None


def read_starts(written: str | None) -> tuple[Start, ...]:
    """The starts of a clock, in their order."""
    return tuple(_start(**each) for each in json.loads(written)) if written else ()


def written_steps(steps: Sequence[EscalationStep]) -> str | None:
    """As `read_steps` takes it; None without any."""
    return json.dumps(_pairs(steps)) if steps else None


def read_steps(written: str | None) -> tuple[EscalationStep, ...]:
    """The steps of a start, in their order."""
    return _steps(json.loads(written or "[]"))


def _pairs(steps: Sequence[EscalationStep]) -> list[tuple[float, str]]:
    return [(step.after.total_seconds(), step.to) for step in steps]


def _steps(pairs: Sequence[tuple[float, str]]) -> tuple[EscalationStep, ...]:
    return tuple(EscalationStep(timedelta(seconds=seconds), to) for seconds, to in pairs)


def _pause(*, pause_id: str, begins_at: str, ends_at: str | None, **rest: Any) -> KnownPause:
    ends = None if ends_at is None else datetime.fromisoformat(ends_at)
    return KnownPause(pause_id=UUID(pause_id), begins_at=datetime.fromisoformat(begins_at), ends_at=ends, **rest)


def _written(start: Start) -> dict[str, Any]:
    values = {name: getattr(start, name) for name in (*_START_INSTANTS, *_START_VALUES)}
    # The steps as JSON in JSON, not as text: the text's order of names would tell by which way they came here.
    pinned = asdict(start.pinned) | {"steps": json.loads(start.pinned.steps)} if start.pinned else None
    return values | {
        "pinned": pinned,
        "recalculated": start.recalculated,
        "escalation": _pairs(start.escalation),
    }


def _start(
    *,
    pinned: dict[str, Any] | None,
    recalculated: tuple[str, str, int] | None,
    escalation: Sequence[tuple[float, str]],
    **rest: Any,
) -> Start:
    values = rest | {name: datetime.fromisoformat(rest[name]) for name in _START_INSTANTS}
    return Start(
        **values,
        pinned=Pinned(**pinned | {"steps": json.dumps(pinned["steps"])}) if pinned else None,
        recalculated=_recalculation(*recalculated) if recalculated else None,
        escalation=_steps(escalation),
    )


def _recalculation(at: str, code: str, sequence: int) -> Recalculation:
    return Recalculation(datetime.fromisoformat(at), code, sequence)


def _text(value: datetime | UUID) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
