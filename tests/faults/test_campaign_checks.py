"""The campaign's checks find what is planted: one case as it should be, broken in one way at a time."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from peerline.compartments import ContactProfile, Origin, SupporterContact
from peerline.events import (
    Audience,
    DeadlineAcknowledged,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineMet,
    DeadlineSet,
    Event,
    Firmness,
    MatchConfirmed,
    MatchProposed,
    OutreachLogged,
    Phase,
    ProgrammeRef,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
    Sealed,
)
from peerline.events.base import Part
from peerline.sealing import Sealer
from peerline_local import keys
from peerline_local.home import Home, read_json

from tests.faults.campaign.checks import Clocks, Evidence, Finding, check
from tests.faults.campaign.people import Listed
from tests.faults.campaign.reports import WEBHOOK, Report, address_of, name_of
from tests.faults.campaign.stream import Accepted
from tests.faults.campaign.topics import Logged, Seals, Topics
from tests.support.scripted_smtp import Act, Delivery

NOW = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
DUE = NOW + timedelta(minutes=1)
NONE_OF_ITS_OWN = "its case was closed, and it has none of its own"
OURS = ("peerline.matches.v1", 0, 7)


@dataclass
class Case:
    """One case from its report to its end, as evidence."""

    folder: Path
    referral_id: UUID = field(default_factory=uuid4)
    events: list[tuple[Event, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = Home.at(self.folder)
        self._sealer = Sealer(read_json(keys.sealing_keys(self.home, datetime.now(UTC))))
        person = ContactProfile(name=name_of(1), email=address_of(1))
        self.log = self.folder / "intake.log"
        self.log.write_text(json.dumps({"event": "started", "level": "info"}) + "\n")
        origin = Origin(door="adverse-event", source="shcp-risk", incident="EV-1")
        self.say(ReferralCreated, 1, received_at=NOW, sealed=self.sealed(ReferralCreated, person, origin))
        for number, clock in enumerate(("match", "first-contact"), start=1):
            self.clock(DeadlineSet, number, clock, starts_at=NOW)
        self.propose(1, "s1")
        for number, step in enumerate(("supporter-notified", "supporter-accepted"), start=1):
            self.step(number, step)
        self.match(MatchConfirmed, 2)
        for number, step in enumerate(("contact-shown", "contact-attempted", "closed"), start=3):
            self.step(number, step)
        for number, clock in enumerate(("match", "first-contact"), start=3):
            self.clock(DeadlineMet, number, clock, met_at=NOW)
        self.clock(DeadlineSet, 5, "answer", attempt=1, starts_at=NOW)
        self.clock(DeadlineMet, 6, "answer", attempt=1, met_at=NOW)

    def say(self, kind: type[Event], sequence: int, at: datetime = NOW, **more: Any) -> None:
        """One event more, appended to its topic at an instant."""
        common: dict[str, Any] = {
            "event_id": uuid4(),
            "referral_id": self.referral_id,
            "programme": ProgrammeRef(id="shcp", digest="0" * 16),
            "sequence": sequence,
            "occurred_at": at,
        }
        self.events.append((kind(**common | more), at))

    def match(self, kind: type[Event], sequence: int, attempt: int = 1, **more: Any) -> None:
        self.say(kind, sequence, match_id=uuid4(), attempt=attempt, **more)

    def propose(self, attempt: int, supporter: str, sequence: int = 1) -> None:
        contact = SupporterContact(supporter_id=supporter, name=supporter, email=f"{supporter}@support.example")
        self.match(MatchProposed, sequence, attempt, sealed=self.sealed(MatchProposed, contact))

    def step(self, sequence: int, step: str) -> None:
        self.say(OutreachLogged, sequence, step=step, phase=Phase.OPEN, match_id=uuid4(), attempt=1)

    def clock(self, kind: type[Event], sequence: int, clock: str, at: datetime = NOW, **more: Any) -> None:
        more = {"deadline_id": uuid4(), "clock": clock, "firmness": Firmness.PROMISED, "due_at": DUE} | more
        self.say(kind, sequence, at, **more)

    def drop(self, *kinds: type[Event], steps: tuple[str, ...] = ()) -> None:
        """Lose events."""
        self.events = [
            (event, at)
            for event, at in self.events
            if not isinstance(event, kinds) and not (isinstance(event, OutreachLogged) and event.step in steps)
        ]

    def evidence(self) -> Evidence:
        topics = Topics()
        for offset, (event, at) in enumerate(self.events):
            topics.by_referral[event.referral_id].append(Logged(event, (event.topic, 0, offset), at))
        topics.sort()
        topics.ours[OURS] = ("contradiction", "")
        mail = Delivery("<1@mail>", ("s1@support.example",), Act.ACCEPT, NOW, b"Subject: x\r\n\r\nhttp://pages/s/x\r\n")
        seen = Listed("notifier", "1", "quarantined", "/".join(map(str, OURS)), None, "same-id-other-body")
        return Evidence(
            accepted={"EV-1": Accepted(Report(1, WEBHOOK, (1,)), NOW)},
            topics=topics,
            raw=[event.body() for event, _ in self.events],
            seals=Seals(self.home),
            deliveries=[mail],
            plays={},
            open_items=[],
            seen_items={(seen.service, seen.kind, seen.subject): {seen.id}},
            acted={},
            set_aside_by={OURS: ["notifier"]},
            clocks={self.referral_id: Clocks({("match", None): "met", ("answer", 1): "met"}, NOW)},
            metrics="",
            logs=[self.log],
            done=[],
            disturbed=[],
            ended_by_itself=[],
            wrong=[],
        )

    def sealed(self, kind: type[Event], notifier: Part, desk: Part | None = None) -> Sealed:
        def seal(audience: Audience, content: Part) -> str:
            return self._sealer.seal(
                audience, content, referral_id=self.referral_id, event_type=kind.name, now=datetime.now(UTC)
            )

        return Sealed(notifier=seal(Audience.NOTIFIER, notifier), desk=seal(Audience.DESK, desk) if desk else None)


def no_confirmation(case: Case) -> None:
    case.drop(MatchConfirmed, steps=("contact-shown", "contact-attempted", "closed"))


def a_refused_join(case: Case) -> None:
    person = ContactProfile(name=name_of(1), email=address_of(1))
    sealed = case.sealed(ReferralJoined, person, Origin(door="adverse-event", source="shcp-risk", incident="EV-1"))
    case.events.clear()
    case.say(ReferralJoined, 1, received_at=NOW, into=uuid4(), sealed=sealed)
    case.step(1, "join-refused")


def no_answer_awaited(case: Case) -> None:
    case.events = [(event, at) for event, at in case.events if getattr(event, "clock", "") != "answer"]


def an_early_breach(case: Case) -> None:
    case.clock(DeadlineBreached, 7, "match", at=DUE - timedelta(seconds=1))


def a_breach_in_spite_of_the_answer(case: Case) -> None:
    case.clock(DeadlineBreached, 7, "match", at=DUE + timedelta(seconds=1))


def steps_told(case: Case, *levels: int, breached: bool = True, noted: bool = False) -> None:
    late = DUE + timedelta(seconds=1)
    if breached:
        case.clock(DeadlineBreached, 5, "match", at=late)
    if noted:
        case.clock(DeadlineAcknowledged, 6, "match", at=late)
    for sequence, level in enumerate(levels, start=7):
        case.clock(DeadlineEscalated, sequence, "match", at=late, level=level, to="deputy")


def an_error_in_a_log(case: Case) -> None:
    line = {"event": "case_set_aside", "level": "error", "timestamp": NOW.isoformat()}
    case.log.write_text(json.dumps(line) + "\n")


CASES: list[tuple[str, str, Callable[[Case], Any]]] = [
    ("M", "no referral", lambda case: case.drop(ReferralCreated)),
    ("M", "nobody proposed", lambda case: case.drop(MatchProposed, MatchConfirmed, OutreachLogged)),
    ("M", "nobody was asked", lambda case: case.drop(OutreachLogged)),
    ("M", "neither confirmed nor released", no_confirmation),
    ("M", NONE_OF_ITS_OWN, a_refused_join),
    ("M", "the same referral more than once", lambda case: case.say(ReferralCreated, 2, received_at=NOW)),
    ("T", "proposed 2 times", lambda case: case.propose(2, "s1", sequence=3)),
    ("T", "proposed while attempt 1 is open", lambda case: case.propose(2, "s2", sequence=3)),
    ("T", "supporter-notified of attempt 1 2 times", lambda case: case.step(6, "supporter-notified")),
    ("D", "never set", lambda case: case.drop(DeadlineSet)),
    ("D", "neither met nor breached", lambda case: case.drop(DeadlineMet)),
    ("D", "met 2 times", lambda case: case.clock(DeadlineMet, 7, "match", met_at=NOW)),
    ("D", "deadline-met 2 times", lambda case: case.clock(DeadlineMet, 7, "answer", attempt=1, met_at=NOW)),
    ("D", "no answer is awaited", no_answer_awaited),
    ("D", "before it was due", an_early_breach),
    ("D", "although the answer stood on its topic", a_breach_in_spite_of_the_answer),
    ("D", "steps were told as [2]", lambda case: steps_told(case, 2)),
    ("D", "steps were told as [1, 1]", lambda case: steps_told(case, 1, 1)),
    ("D", "step 1 was told before a breach", lambda case: steps_told(case, 1, breached=False)),
    ("D", "step 1 was told after it was acknowledged", lambda case: steps_told(case, 1, noted=True)),
    ("F", "are not there", lambda case: case.drop(steps=("supporter-accepted",))),
    ("F", "a number was given twice", lambda case: case.step(5, "contact-made")),
    ("V", "case_set_aside", an_error_in_a_log),
]
EVIDENCE: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("T", "delivered 2 times", lambda evidence: evidence.deliveries.append(evidence.deliveries[0])),
    ("M", "0 messages for 1 questions", lambda evidence: evidence.deliveries.clear()),
    ("F", "was not set aside by notifier", lambda evidence: evidence.seen_items.clear()),
    ("F", "again, after it was decided", lambda evidence: next(iter(evidence.seen_items.values())).add("2")),
    (
        "F",
        "is breached, and its topic says met",
        lambda e: next(iter(e.clocks.values())).states.update({("match", None): "breached"}),
    ),
    (
        "F",
        "is met, and its topic says none",
        lambda e: next(iter(e.clocks.values())).states.update({("answer", 2): "met"}),
    ),
    ("P", "holds Zyxqua", lambda evidence: evidence.raw.append(b"Dr Zyxqua 1")),
    ("V", "ended by itself", lambda evidence: evidence.ended_by_itself.append((1.0, "intake", 1))),
]


def test_a_case_as_it_should_be_gives_no_finding(tmp_path: Path) -> None:
    case = Case(tmp_path)

    found = list(check(case.evidence()))

    assert found == []


@pytest.mark.parametrize(("invariant", "words", "broken"), CASES, ids=[words for _, words, _ in CASES])
def test_a_case_that_is_broken_is_found(
    tmp_path: Path, invariant: str, words: str, broken: Callable[[Case], Any]
) -> None:
    case = Case(tmp_path)
    broken(case)

    found = list(check(case.evidence()))

    assert is_found(found, invariant, words), found


def test_whoever_withdraws_a_refused_join_needs_no_case(tmp_path: Path) -> None:
    case = Case(tmp_path)
    a_refused_join(case)
    case.say(ReferralWithdrawn, 2)

    found = list(check(case.evidence()))

    assert not is_found(found, "M", NONE_OF_ITS_OWN), found


@pytest.mark.parametrize(("invariant", "words", "broken"), EVIDENCE, ids=[words for _, words, _ in EVIDENCE])
def test_evidence_against_a_case_is_found(
    tmp_path: Path, invariant: str, words: str, broken: Callable[[Any], Any]
) -> None:
    evidence = Case(tmp_path).evidence()
    broken(evidence)

    found = list(check(evidence))

    assert is_found(found, invariant, words), found


def is_found(found: list[Finding], invariant: str, words: str) -> bool:
    return any(each.invariant == invariant and words in each.what for each in found)
