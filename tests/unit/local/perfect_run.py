"""What the topics and the mailbox would hold after a run in which all went well, to be spoiled by tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from peerline.cloudevents import headers_of
from peerline.compartments import ContactProfile, Origin, SupporterContact
from peerline.events import (
    Audience,
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    Firmness,
    MatchConfirmed,
    MatchProposed,
    OutreachLogged,
    ParticipantUnresolved,
    Phase,
    ProgrammeRef,
    ReferralCreated,
    ReferralJoined,
    Sealed,
)
from peerline.events.base import Part
from peerline.ids import Ids
from peerline.programme import read_programmes
from peerline.sealing import Opener, Sealer, key_set, new_key
from peerline_local.demo.comparison import Fault, Finding, compare
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.overlay import coordinators
from peerline_local.demo.people import Supporter
from peerline_local.demo.records import Record
from peerline_local.demo.samples import Samples, make_samples
from peerline_local.demo.scenes import Offer
from peerline_local.mailbox import Message

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PROGRAMMES = read_programmes(Path(__file__).parents[3] / "deploy" / "programmes")
COORDINATORS = coordinators(PROGRAMMES)
IDS = Ids(b"an id key of tests, long enough")


class Keys:
    """Keys of the two audiences that the comparison opens."""

    def __init__(self) -> None:
        keys = {audience: new_key(audience, NOW) for audience in (Audience.DESK, Audience.NOTIFIER)}
        self.sealer = Sealer(key_set(keys.values(), private=False))
        self.openers = {audience: Opener(key_set([key], private=True)) for audience, key in keys.items()}

    def seal(self, audience: Audience, content: Part, event: type[Event], referral_id: UUID) -> str:
        return self.sealer.seal(audience, content, referral_id=referral_id, event_type=event.name, now=NOW)


@dataclass
class Run:
    """Events and messages of one run; tests take away or add, then look at `findings`."""

    samples: Samples
    keys: Keys
    events: list[Event] = field(default_factory=list)
    mail: list[Message] = field(default_factory=list)
    sequences: dict[UUID, int] = field(default_factory=dict)

    def add(self, kind: type[Event], referral_id: UUID, programme: str, *parts: Any, **fields: Any) -> Event:
        self.sequences[referral_id] = self.sequences.get(referral_id, 0) + 1
        event = kind(
            event_id=IDS.event(kind.name, referral_id, *parts),
            referral_id=referral_id,
            programme=ProgrammeRef(id=programme, digest="0" * 16),
            sequence=self.sequences[referral_id],
            occurred_at=NOW,
            **fields,
        )
        self.events.append(event)
        return event

    def send(self, address: str, *, link: bool) -> Message:
        number = len(self.mail)
        message = Message(
            id=f"m{number}",
            to=(address,),
            sender="Program",
            subject="Touching base",
            message_id=f"<{number}@example>",
            received_at=NOW.isoformat(),
            body=f"Please look at http://127.0.0.1:8103/s/token-{number}\n" if link else "Hello\n",
            attachments=(),
        )
        self.mail.append(message)
        return message

    def of(self, kind: type[Event], label: str) -> list[Event]:
        """The events of one kind that stand for an offer."""
        return [event for event in self.events if isinstance(event, kind) and event.referral_id == self.id_of(label)]

    def id_of(self, label: str) -> UUID:
        return referral_id_of(next(offer for offer in self.samples.offers if offer.label == label))

    def ledger(self) -> Ledger:
        ledger = Ledger(self.keys.openers)
        ledger.add(record_of(event, offset) for offset, event in enumerate(self.events))
        return ledger

    def findings(self) -> list[Finding]:
        return compare(self.samples, self.ledger(), self.mail, PROGRAMMES)


def perfect_run() -> Run:
    return perfect_run_of(make_samples(NOW))


def perfect_run_of(samples: Samples) -> Run:
    run = Run(samples, Keys())
    into: dict[str, UUID] = {}
    for offer in run.samples.offers:
        if offer.person.id in into:
            _join(run, offer, into[offer.person.id])
        else:
            into[offer.person.id] = _serve(run, offer)
    _stranger(run)
    return run


def referral_id_of(offer: Offer) -> UUID:
    return IDS.referral(offer.programme, offer.source or offer.door, offer.incident or "", offer.person.id)


def record_of(event: Event, offset: int) -> Record:
    headers = tuple(headers_of(event, source="test", time=NOW, traceparent=None))
    return Record(str(event.topic), 0, offset, str(event.referral_id).encode(), headers, event.body())


def spoiled(event: Event, **fields: Any) -> Event:
    """The same business fact once more, as another event."""
    another = IDS.event(event.name, event.referral_id, "again", event.sequence)
    return event.model_copy(update={"event_id": another, "sequence": event.sequence + 50, **fields})


def without(run: Run, *events: Event) -> Run:
    return replace(run, events=[event for event in run.events if event not in events])


def supporters_for(samples: Samples, offer: Offer) -> Sequence[Supporter]:
    """Who may be asked, the least bound first."""
    involved = {one.person.id for one in samples.offers if one.incident == offer.incident}
    return [
        one
        for one in samples.people.supporters
        if one.programme == offer.programme
        and one.person.id not in involved
        and (offer.programme == "shcp" or one.person.training_programme != offer.person.training_programme)
    ]


def propose(run: Run, offer: Offer, attempt: int, supporter: Supporter) -> Event:
    """A proposal with the message that asks, the step that says so, and the clock that it starts."""
    referral_id, name = referral_id_of(offer), supporter.person.name
    contact = SupporterContact(supporter_id=supporter.id, name=name.full, email=name.email)
    match: dict[str, Any] = {"match_id": IDS.match(referral_id, attempt), "attempt": attempt}
    sealed = Sealed(notifier=run.keys.seal(Audience.NOTIFIER, contact, MatchProposed, referral_id))
    proposed = run.add(MatchProposed, referral_id, offer.programme, attempt, sealed=sealed, **match)
    run.send(name.email, link=True)
    log(run, offer, "supporter-notified", **match)
    _of_an_attempt(run, offer, attempt, "answer", DeadlineSet, starts_at=NOW)
    return proposed


def log(run: Run, offer: Offer, step: str, phase: Phase = Phase.OPEN, **match: Any) -> Event:
    referral_id = referral_id_of(offer)
    sequence = run.sequences.get(referral_id, 0) + 1
    return run.add(OutreachLogged, referral_id, offer.programme, sequence, phase=phase, step=step, **match)


def _serve(run: Run, offer: Offer) -> UUID:
    referral_id = referral_id_of(offer)
    run.add(
        ReferralCreated,
        referral_id,
        offer.programme,
        sealed=_sealed(run, offer, ReferralCreated, referral_id),
        received_at=NOW,
    )
    propose(run, offer, 1, supporters_for(run.samples, offer)[0])
    match: dict[str, Any] = {"match_id": IDS.match(referral_id, 1), "attempt": 1}
    log(run, offer, "supporter-accepted", **match)
    run.add(MatchConfirmed, referral_id, offer.programme, 1, **match)
    for step, phase in (
        ("contact-shown", Phase.OPEN),
        ("contact-attempted", Phase.CONTACTED),
        ("closed", Phase.CLOSED),
    ):
        log(run, offer, step, phase, **match)
    for clock in ("match", "first-contact"):
        _deadline(run, offer, clock)
    _of_an_attempt(run, offer, 1, "answer", DeadlineMet, met_at=NOW)
    _of_an_attempt(run, offer, 1, "response", DeadlineSet, starts_at=NOW)  # and nobody was reached
    return referral_id


def _of_an_attempt(run: Run, offer: Offer, attempt: int, clock: str, kind: type[DeadlineEvent], **fields: Any) -> None:
    referral_id = referral_id_of(offer)
    run.add(
        kind,
        referral_id,
        offer.programme,
        clock,
        attempt,
        deadline_id=IDS.deadline(referral_id, clock, attempt),
        clock=clock,
        attempt=attempt,
        firmness=Firmness.INTERNAL,
        due_at=NOW + timedelta(days=1),
        **fields,
    )


def _deadline(run: Run, offer: Offer, clock: str) -> None:
    referral_id, late = referral_id_of(offer), offer.door == "phone"
    fields = {
        "deadline_id": IDS.deadline(referral_id, clock, 0),
        "clock": clock,
        "firmness": Firmness.PROMISED,
        "due_at": NOW - timedelta(days=2) if late else NOW + timedelta(days=1),
    }
    starts = fields["due_at"] - timedelta(days=1)  # type: ignore[operator]  # fields are of many types
    run.add(DeadlineSet, referral_id, offer.programme, clock, starts_at=starts, late_entry=late, **fields)
    if late:
        run.add(DeadlineBreached, referral_id, offer.programme, clock, late_entry=True, **fields)
        run.send(COORDINATORS[offer.programme], link=False)
    else:
        run.add(DeadlineMet, referral_id, offer.programme, clock, met_at=NOW, **fields)


def _join(run: Run, offer: Offer, into: UUID) -> None:
    referral_id = referral_id_of(offer)
    sealed = _sealed(run, offer, ReferralJoined, referral_id)
    run.add(ReferralJoined, referral_id, offer.programme, into=into, received_at=NOW, sealed=sealed)


def _stranger(run: Run) -> None:
    incident = next(scene.incidents[0] for scene in run.samples.scenes if scene.strangers)
    referral_id = IDS.referral("shcp", "shcp-risk", incident, "a stranger")
    origin = Origin(door="adverse-event", source="shcp-risk", incident=incident)
    sealed = Sealed(desk=run.keys.seal(Audience.DESK, origin, ParticipantUnresolved, referral_id))
    run.add(ParticipantUnresolved, referral_id, "shcp", received_at=NOW, sealed=sealed)
    fields: dict[str, Any] = {
        "clock": "match",
        "firmness": Firmness.PROMISED,
        "due_at": NOW + timedelta(days=1),
    }
    deadline_id = IDS.deadline(referral_id, "match", 0)
    run.add(DeadlineSet, referral_id, "shcp", "match", deadline_id=deadline_id, starts_at=NOW, **fields)


def _sealed(run: Run, offer: Offer, kind: type[Event], referral_id: UUID) -> Sealed:
    # As intake does it: a request has no incident.
    origin = Origin(door=offer.door, source=offer.source, incident=offer.incident if offer.source else None)
    contact = ContactProfile(name=offer.person.name.full, email=offer.person.name.email)
    return Sealed(
        desk=run.keys.seal(Audience.DESK, origin, kind, referral_id),
        notifier=run.keys.seal(Audience.NOTIFIER, contact, kind, referral_id),
    )


def faults(findings: list[Finding], fault: Fault) -> list[str]:
    return [str(finding) for finding in findings if finding.fault is fault]
