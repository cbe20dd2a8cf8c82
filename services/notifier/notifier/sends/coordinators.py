"""What a message to a coordinator says: how much waits, of which kind and since when; no name, no reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from peerline.programme import Programme

from notifier.domain.notices import Notice
from notifier.repository.notices import Count
from notifier.sends.letters import TEMPLATES, Letter, Sender, compose

OTHER = "other things"
WORDS = {
    "quarantined": "records that could not be taken in",
    "halted": "inputs that stand still, since too much of them could not be taken in",
    "position-beyond-end": "inputs that were made anew, and stand still until somebody has looked",
    "records-lost": "inputs of which something was lost before it was read",
    "stuck": "matters that fail by a fault of ours",
    "unresolved": "people who were named and are not in the directory",
    "old-report": "reports that came late",
    "nobody-named": "reports that name nobody",
    "decide-involvement": "people of whom it is not clear whether they were involved",
    "conflicting-report": "reports that contradict what was known",
    "participant-removed": "people whom a corrected report leaves out",
    "approval": "suggestions that wait for your approval",
    "unmatched": "people for whom there is nobody to ask at the moment",
    "unreadable": "entries that cannot be opened",
    "unreadable-step": "answers that cannot be opened",
    "supporter-left": "conversations whose colleague has left the roster",
    "no-referral": "conversations with somebody who is not known here yet",
    "silent": "conversations of which nothing was heard",
    "release-requested": "conversations that should end, where the contact has been passed on already",
    "two-supporters": "conversations that two colleagues hold",
    "delivery-failed": "messages that could not be delivered; none is sent again unless you say so",
    "delivery-unknown": "messages of which nobody knows whether they arrived; none is sent again unless you say so",
    "step-unknown": "entries that were lost and cannot be read again",
    "link-lost": "private pages that open no more",
    "restored": "services whose database was set back, and that stand still until somebody has looked",
    "not-recalled": "entries that were lost and cannot be taken in again",
    "referral-unknown": "conversations of which it is not known any more whom they are for",
    "supporter-unknown": "conversations of which it is not known who holds them",
    "source-failing": "systems whose reports mostly cannot be taken in",
    "coordinator-unreachable": "coordinators to whom no message can be delivered",
    "deadline-approaching": "promised times that come near",
    "deadline-breached": "promised times that have passed, before what was promised happened",
}
"""What a coordinator reads of each kind: neutral, since somebody may look over their shoulder."""


@dataclass(frozen=True)
class Waiting:
    """What a message is about. `references` are referrals, by which a coordinator finds each on the list."""

    counts: Sequence[Count]
    references: Sequence[UUID] = ()


def write(
    kind: Notice, waiting: Waiting, programme: Programme, sender: Sender, *, message_id: str, at: datetime
) -> Letter:
    """The message to a programme's coordinator. Raises ValueError for an impossible address."""
    lines = [f"{count.items} × {WORDS.get(count.kind, OTHER)} ({_age(count.oldest)})" for count in waiting.counts]
    text = TEMPLATES.get_template("mail_waiting.txt").render(
        kind=kind, lines=lines, references=waiting.references, programme=programme
    )
    return compose(programme, sender, to=programme.coordinator.email, text=text, message_id=message_id, at=at)


def _age(oldest: timedelta) -> str:
    hours = int(oldest.total_seconds() // 3600)
    if hours < 1:
        return "the oldest for less than an hour"
    return f"the oldest for {hours} h" if hours < 48 else f"the oldest for {hours // 24} days"
