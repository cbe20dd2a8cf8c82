"""What an operator is shown of a database that was set back."""

from peerline_local.commands.resume import lines_of
from peerline_local.stack import waits_for_a_look

HALTED = {"ok": False, "compared": True, "halted_since": "2026-11-22T21:00:00+00:00", "lost": 3}


def test_what_was_lost_is_shown_by_referral_and_kind() -> None:
    events = [
        {"referral_id": "r-1", "type": "peerline.match-proposed.v1"},
        {"referral_id": "r-1", "type": "peerline.match-confirmed.v1"},
        {"referral_id": "r-2", "type": "peerline.match-proposed.v1"},
    ]

    lines = lines_of("matcher", {**HALTED, "not_recalled": 1, "events": events})

    assert lines == [
        "matcher: its database was set back; halted since 2026-11-22 21:00; own events lost: 3",
        "  1 of them could not be read: see the worklist",
        "  r-1  match-proposed 1, match-confirmed 1",
        "  r-2  match-proposed 1",
    ]


def test_a_stack_is_up_when_a_service_waits_for_nothing_but_a_look() -> None:
    database = {"ok": True}

    assert waits_for_a_look({"checks": {"database": database, "restored": HALTED}})
    assert not waits_for_a_look({"checks": {"database": {"ok": False}, "restored": HALTED}})
    assert not waits_for_a_look({"checks": {"database": database, "restored": {"ok": False, "compared": False}}})
    assert not waits_for_a_look({"checks": {}})
