"""What anybody who reads the topics may see: a closed list, of which each entry was put there on purpose."""

from typing import get_args

from peerline.events import (
    EVENTS,
    REPORTED_WITHIN,
    DeadlineEvent,
    Event,
    MatchEvent,
    ReferralCreated,
    WorklistChanged,
)

EVERY_EVENT = {"event_id", "referral_id", "programme", "sequence", "occurred_at", "sealed"}
"""`sealed` is what the others may not see."""

OF_A_MATCH = {"match_id", "attempt"}
OF_A_DEADLINE = {"deadline_id", "clock", "firmness", "due_at", "attempt"}
OF_AN_ITEM = {"item_id", "kind", "urgent", "is_open"}
OWN = {
    "referral-created": {"received_at", "reported_within_hours"},
    "referral-joined": {"received_at", "reported_within_hours", "into"},
    "participant-unresolved": {"received_at", "reported_within_hours"},
    "referral-amended": set(),
    "referral-withdrawn": set(),
    "referral-forgotten": set(),
    "outreach-logged": {"match_id", "attempt", "phase", "step", "into"},
    "deadline-set": {"starts_at", "late_entry"},
    "deadline-approaching": set(),
    "deadline-met": {"met_at", "corrects"},
    "deadline-breached": {"late_entry", "provisional", "late_noticed"},
    "deadline-escalated": {"level", "to"},
    "deadline-acknowledged": set(),
    "clock-paused": {"pause_id", "begins_at", "ends_at", "code", "clock"},
    "clock-recalculated": {"code"},
}


def allowed(event: type[Event]) -> set[str]:
    """The fields that an event of this type may have."""
    families = ((MatchEvent, OF_A_MATCH), (DeadlineEvent, OF_A_DEADLINE), (WorklistChanged, OF_AN_ITEM))
    shared = [fields for family, fields in families if issubclass(event, family)]
    return EVERY_EVENT.union(*shared, OWN.get(event.name, set()))


def test_no_event_shows_anything_that_is_not_on_the_list() -> None:
    assert {event.name: set(event.model_fields) for event in EVENTS} == {event.name: allowed(event) for event in EVENTS}


def test_how_late_something_was_reported_is_said_in_these_classes_only() -> None:
    annotation = ReferralCreated.model_fields["reported_within_hours"].annotation

    classes = {value for part in get_args(annotation) for value in get_args(part)}
    assert classes == set(REPORTED_WITHIN)
    assert all(wider - narrower >= 72 for narrower, wider in zip((0, *REPORTED_WITHIN), REPORTED_WITHIN, strict=False))
