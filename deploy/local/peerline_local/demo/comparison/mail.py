"""Each supporter who was asked has one message about it, and coordinators are told what they must know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from peerline.events import (
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEscalated,
    MatchProposed,
    MatchReleaseRequested,
    OutreachLogged,
    WorklistChanged,
)

from peerline_local.demo.comparison.findings import Finding, duplicate, exactly, missing
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.samples import Samples
from peerline_local.mailbox import Message

LINK = re.compile(r"https?://[^\s<>\"']+/(?P<page>[sp])/[A-Za-z0-9_~.-]+")
_UNDELIVERED = ("delivery-failed", "delivery-unknown")


def links(message: Message) -> list[str]:
    """The private addresses in a message, each once."""
    return list(dict.fromkeys(match.group() for match in LINK.finditer(message.body)))


def compare_mail(
    samples: Samples, ledger: Ledger, mail: Sequence[Message], coordinators: Mapping[str, str]
) -> Iterator[Finding]:
    """Compare what was logged as sent with what arrived; `coordinators` gives the address of each programme's."""
    yield from _one_to_each(mail)
    yield from _supporters(samples, ledger, mail)
    yield from _coordinators(ledger, mail, coordinators)


def _one_to_each(mail: Sequence[Message]) -> Iterator[Finding]:
    """One recipient a message, no message twice, no private address twice."""
    for message in mail:
        if len(message.to) != 1:
            yield duplicate(f"mail {message.id}", f"{len(message.to)} recipients")
    for message_id, count in Counter(message.message_id for message in mail).items():
        if count > 1:
            yield duplicate(f"mail {message_id}", f"arrived {count} times")


def _supporters(samples: Samples, ledger: Ledger, mail: Sequence[Message]) -> Iterator[Finding]:
    """
    For each supporter, as many messages that ask as matches they were asked about.

    A message does not say which match it is about, and must not: counting by recipient finds what is
    lost or doubled all the same.
    """
    ids = {supporter.person.name.email: supporter.id for supporter in samples.people.supporters}
    asked = {logged.match_id for logged in ledger.all(OutreachLogged) if logged.step == "supporter-notified"}
    notified: Counter[str] = Counter()
    for event in ledger.all(MatchProposed):
        if event.match_id in asked:
            contact = ledger.supporter(event)
            notified[contact.email.lower() if contact else "?"] += 1
    arrived = Counter(address for message in mail for address in set(message.to) for _ in asks(message))
    for address in notified.keys() | (arrived.keys() & ids.keys()):
        yield from exactly(notified[address], arrived[address], ids.get(address, "somebody"), "messages that ask")


def asks(message: Message) -> list[str]:
    """The supporter's links in a message; none in one that only tells something."""
    return [link for link in links(message) if "/s/" in link]


def _coordinators(ledger: Ledger, mail: Sequence[Message], coordinators: Mapping[str, str]) -> Iterator[Finding]:
    """
    A coordinator has a message if a deadline was breached, and at most one for each thing that was to be told.

    What is told together, and what is resolved before it is told, makes them fewer.
    """
    told = Counter(address.lower() for message in mail for address in message.to)
    breached = {event.programme.id for event in ledger.all(DeadlineBreached)}
    shared = sum(event.programme is None for event in ledger.all(WorklistChanged))
    for programme, address in coordinators.items():
        found, most = told[address.lower()], shared + _to_tell(ledger, programme)
        if programme in breached and not found:
            yield missing(f"coordinator of {programme}", "was told of no breach")
        if found > most:
            yield duplicate(f"coordinator of {programme}", f"{found} messages about {most} things")


def _to_tell(ledger: Ledger, programme: str) -> int:
    changes = [event for event in ledger.all(WorklistChanged) if event.programme and event.programme.id == programme]
    deadlines = [*ledger.all(DeadlineApproaching), *ledger.all(DeadlineBreached), *ledger.all(DeadlineEscalated)]
    undelivered = [logged for logged in ledger.all(OutreachLogged) if logged.step in _UNDELIVERED]
    ended = ledger.all(MatchReleaseRequested)
    return len(changes) + sum(event.programme.id == programme for event in (*deadlines, *undelivered, *ended))
