"""What a message to a coordinator, or to who is told after them, says: what waits, and since when; no name, no reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from peerline.escalation import COORDINATOR
from peerline.programme import Programme

from notifier.domain.notices import Notice
from notifier.repository.escalations import Overdue
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
    "deadline-escalated": "promised times that have passed, and of which nobody has taken note",
}
"""What a coordinator reads of each kind: neutral, since somebody may look over their shoulder."""


CLOCKS = frozenset({"deadline-approaching", "deadline-breached"})
"""The kinds that may be followed by further steps."""


@dataclass(frozen=True)
class Waiting:
    """
    What a message is about. `references` are referrals, by which a coordinator finds each on the list.

    `steps` are those of overdue clocks that this message tells.
    """

    counts: Sequence[Count]
    references: Sequence[UUID] = ()
    steps: Sequence[Overdue] = ()


def write(
    kind: Notice,
    waiting: Waiting,
    programme: Programme,
    sender: Sender,
    *,
    role: str = COORDINATOR,
    message_id: str,
    at: datetime,
) -> Letter:
    """
    The message to whoever has a role in a programme, to its coordinator where nobody has.

    Raises ValueError for an impossible address.
    """
    to = programme.contact_of(role) or programme.coordinator
    lines = [_line(count, programme.zone) for count in waiting.counts]
    text = TEMPLATES.get_template("mail_waiting.txt").render(
        kind=kind,
        lines=lines,
        references=waiting.references,
        steps=[_step(step) for step in waiting.steps],
        others_follow=_others_follow(waiting, programme),
        programme=programme,
    )
    return compose(programme, sender, to=to.email, text=text, message_id=message_id, at=at)


def _others_follow(waiting: Waiting, programme: Programme) -> bool:
    """Whether others will be told of a clock that this message is about, unless somebody takes note of it."""
    return any(clock.escalation for clock in programme.clocks) and any(count.kind in CLOCKS for count in waiting.counts)


def _step(step: Overdue) -> dict[str, str]:
    """What is said of a step, and the words by which it is acknowledged."""
    which = f"{step.clock}, attempt {step.attempt}" if step.attempt else step.clock
    attempt = f" --attempt {step.attempt}" if step.attempt else ""
    return {
        "said": f"Step {step.level}, for the {step.role}: {which}, overdue by {_for(step.overdue)}, "
        f"under the reference {step.referral_id}.",
        "command": f"peerline deadlines acknowledge {step.referral_id} {step.clock}{attempt}",
    }


def _for(lasted: timedelta) -> str:
    minutes = int(lasted.total_seconds() // 60)
    hours, days = minutes // 60, minutes // (24 * 60)
    return f"{minutes} min" if hours < 1 else f"{hours} h" if days < 2 else f"{days} days"


def _line(count: Count, zone: ZoneInfo) -> str:
    what = WORDS.get(count.kind, OTHER)
    if count.late:
        due, noticed = (count.late.due_from, count.late.due_to), (count.late.noticed_from, count.late.noticed_to)
        what = f"{what}, and which were noticed late: due {_span(*due, zone)}, noticed {_span(*noticed, zone)}"
    return f"{count.items} × {what} ({_age(count.oldest)})"


def _span(first: datetime, last: datetime, zone: ZoneInfo) -> str:
    """One time or two, on the wall of a programme."""
    told = dict.fromkeys(f"{at.astimezone(zone):%a %d %b %H:%M %Z}" for at in (first, last))
    return " to ".join(told)


def _age(oldest: timedelta) -> str:
    hours = int(oldest.total_seconds() // 3600)
    if hours < 1:
        return "the oldest for less than an hour"
    return f"the oldest for {hours} h" if hours < 48 else f"the oldest for {hours // 24} days"
