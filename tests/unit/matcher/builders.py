"""What the unit tests of matcher are made of: ordinary supporters, needs and rules, one difference at a time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from matcher.domain.eligibility import Need, Supporter
from matcher.domain.rules import Hours, Rules

NOW = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 18)
REFERRAL = UUID("00000000-0000-8000-8000-000000000001")


def a_supporter(supporter_id: str = "s1", **other: Any) -> Supporter:
    ordinary: dict[str, Any] = {
        "programme": "rcaps",
        "active": True,
        "trained_at": date(2025, 1, 1),
        "capacity": None,
        "zone": "America/Toronto",
        "pseudonyms": frozenset({f"p-{supporter_id}"}),
        "attributes": {},
    }
    return Supporter(supporter_id=supporter_id, **ordinary | other)


def a_need(referral_id: UUID = REFERRAL, **other: Any) -> Need:
    ordinary: dict[str, Any] = {
        "programme": "rcaps",
        "people": frozenset({"p-physician"}),
        "attributes": {},
        "preferences": {},
    }
    return Need(referral_id=referral_id, **ordinary | other)


def the_rules(**other: Any) -> Rules:
    ordinary: dict[str, Any] = {
        "needs_approval": False,
        "invites_first": False,
        "different": (),
        "same": (),
        "capacity": 2,
        "answer_window": timedelta(hours=8),
        "attempts": 5,
        "cool_off": timedelta(days=14),
        "hours": Hours(time(8), time(20), (1, 2, 3, 4, 5, 6, 7)),
        "zone": "America/Toronto",
    }
    return Rules(**ordinary | other)
