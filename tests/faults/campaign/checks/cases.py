"""M and T of each case: it moves, waits for a human or is closed; and nothing about it happened twice."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from peerline.events import (
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchUnavailable,
    OutreachLogged,
    ReferralCreated,
    ReferralWithdrawn,
)

from tests.faults.campaign.checks.found import Evidence, Finding, Is

FREES = ("other-supporter-requested", "supporter-declined")
UNDELIVERED = ("delivery-unknown", "delivery-failed")
ONCE_AN_ATTEMPT = (
    "supporter-notified",
    "supporter-accepted",
    "supporter-declined",
    "contact-shown",
    "contact-attempted",
)


def check_moving(evidence: Evidence) -> Iterator[Finding]:
    """What has begun goes on, is over, or waits for a human."""
    for event in evidence.topics.all(ReferralCreated):
        evidence.looked_at["M"] += 1
        for what in _stands_still(evidence, event.referral_id):
            yield Finding("M", Is.MISSING, str(event.referral_id), what)


def _stands_still(evidence: Evidence, referral_id: UUID) -> Iterator[str]:
    """Whatever a service, and no human, would have to do next about a case, and has not done."""
    topics = evidence.topics
    steps = topics.about(referral_id, OutreachLogged)
    proposed = topics.about(referral_id, MatchProposed)
    if any(logged.step == "closed" for logged in steps):
        return
    if topics.about(referral_id, ReferralWithdrawn) and not _has(steps, "retraction-declined"):
        yield "withdrawn, and neither closed nor kept"
        return
    if not proposed:
        if not topics.about(referral_id, MatchUnavailable):
            yield "nobody proposed, nobody said to be missing"
        return
    yield from _attempt_stands_still(evidence, referral_id, max(proposed, key=lambda each: each.attempt).attempt)


def _attempt_stands_still(evidence: Evidence, referral_id: UUID, number: int) -> Iterator[str]:
    topics = evidence.topics
    steps = [logged for logged in topics.about(referral_id, OutreachLogged) if logged.attempt == number]
    released = {event.attempt for event in topics.about(referral_id, MatchReleased)}
    if number in released:
        unavailable = topics.about(referral_id, MatchUnavailable)
        if not any(event.attempt > number for event in unavailable):
            yield f"attempt {number} released, and nobody else is sought"
        return
    if _has(steps, "supporter-declined"):
        yield f"attempt {number} declined, and not released"
    elif _has(steps, "supporter-accepted"):
        if number not in {event.attempt for event in topics.about(referral_id, MatchConfirmed)}:
            yield f"attempt {number} accepted, and neither confirmed nor released"
    elif _has(steps, *UNDELIVERED):
        subjects = [item for item in evidence.items_of(referral_id) if item.kind in UNDELIVERED]
        decided = any(kind in UNDELIVERED for (_, kind, _), _ in evidence.acted.items())
        if not subjects and not decided and not _has(steps, "supporter-notified"):
            yield f"attempt {number}: the message's fate is unclear, and on no worklist"
    elif not _has(steps, "supporter-notified"):
        yield f"attempt {number} proposed, and nobody was asked"


def _has(steps: list[OutreachLogged], *names: str) -> bool:
    return any(logged.step in names for logged in steps)


def check_once(evidence: Evidence) -> Iterator[Finding]:
    """No decision and no step twice; never two supporters; never the same supporter again."""
    for referral_id in evidence.topics.by_referral:
        evidence.looked_at["T"] += 1
        for what in (*_decided_twice(evidence, referral_id), *_two_supporters(evidence, referral_id)):
            yield Finding("T", Is.DOUBLED, str(referral_id), what)


def _decided_twice(evidence: Evidence, referral_id: UUID) -> Iterator[str]:
    topics = evidence.topics
    kinds: tuple[type[MatchEvent], ...] = (MatchProposed, MatchConfirmed, MatchReleased)
    for kind in kinds:
        counts = Counter(event.attempt for event in topics.about(referral_id, kind))
        yield from (f"{kind.name} of attempt {number} {count} times" for number, count in counts.items() if count > 1)
    steps = topics.about(referral_id, OutreachLogged)
    said = Counter((logged.step, logged.attempt) for logged in steps if logged.step in ONCE_AN_ATTEMPT)
    yield from (f"{step} of attempt {number} {count} times" for (step, number), count in said.items() if count > 1)
    if sum(logged.step == "closed" for logged in steps) > 1:
        yield "closed more than once"
    asked = Counter(
        contact.supporter_id
        for event in topics.about(referral_id, MatchProposed)
        if (contact := evidence.seals.supporter(event))
    )
    yield from (f"one supporter was proposed {count} times" for count in asked.values() if count > 1)


def _two_supporters(evidence: Evidence, referral_id: UUID) -> Iterator[str]:
    """In the order of matcher's own count at most one attempt is open; contacts are held one after the other."""
    current = None
    for event in (each.event for each in evidence.topics.by_referral[referral_id]):
        if isinstance(event, MatchProposed):
            if current is not None:
                yield f"attempt {event.attempt} proposed while attempt {current} is open"
            current = event.attempt
        elif isinstance(event, MatchReleased) and event.attempt == current:
            current = None
    holder = None
    for logged in evidence.topics.about(referral_id, OutreachLogged):
        if logged.step == "contact-shown":
            if holder not in (None, logged.attempt):
                yield f"attempts {holder} and {logged.attempt} both hold the contact"
            holder = logged.attempt
        elif logged.step in FREES and logged.attempt == holder:
            holder = None


def check_mail(evidence: Evidence) -> Iterator[Finding]:
    """No message twice; each supporter has as many as they were asked; no supporter is asked about one person twice."""
    for message_id, count in Counter(delivery.message_id for delivery in evidence.deliveries).items():
        evidence.looked_at["T"] += 1
        if count > 1:
            yield Finding("T", Is.DOUBLED, message_id, f"delivered {count} times")
    asked, unclear, silent = _asked(evidence)
    # Reminders would count too, and need five days.
    letters = Counter(delivery.recipients[0] for delivery in evidence.deliveries if "/s/" in delivery.text)
    for supporter in letters.keys() | asked.keys():
        found, sure = letters[supporter], asked[supporter]
        what = f"{found} messages for {sure} questions and {unclear[supporter]} unclear"
        if found > sure + unclear[supporter]:
            yield Finding("T", Is.DOUBLED, supporter, f"{what}; nothing is said of {silent[supporter]}")
        if found < sure:
            yield Finding("M", Is.MISSING, supporter, what)
    yield from _told_of_twice(evidence)


def _asked(evidence: Evidence) -> tuple[Counter[str], Counter[str], dict[str, list[str]]]:
    """How often each supporter was asked for sure, how often nobody knows, and the proposals of which nothing is said."""
    asked: Counter[str] = Counter()
    unclear: Counter[str] = Counter()
    silent: dict[str, list[str]] = defaultdict(list)
    for referral_id in evidence.topics.by_referral:
        steps = evidence.topics.about(referral_id, OutreachLogged)
        for event in evidence.topics.about(referral_id, MatchProposed):
            contact = evidence.seals.supporter(event)
            about = {logged.step for logged in steps if logged.attempt == event.attempt}
            if contact is None:
                continue
            if about & set(UNDELIVERED) or ("supporter-notified" not in about and _went_on(evidence, event)):
                unclear[contact.email] += 1
            elif "supporter-notified" in about:
                asked[contact.email] += 1
            else:
                silent[contact.email].append(f"{referral_id}/{event.attempt}")
    return asked, unclear, silent


def _went_on(evidence: Evidence, proposed: MatchProposed) -> bool:
    """Whether a question was answered, or became needless, so that nothing is said of a message whose fate nobody knows."""
    steps = evidence.topics.about(proposed.referral_id, OutreachLogged)
    answered = any(logged.attempt == proposed.attempt and logged.step in ONCE_AN_ATTEMPT for logged in steps)
    released = evidence.topics.about(proposed.referral_id, MatchReleased)
    return answered or _has(steps, "closed") or proposed.attempt in {event.attempt for event in released}


def _told_of_twice(evidence: Evidence) -> Iterator[Finding]:
    """Two links that led one supporter to one person."""
    links: dict[tuple[str, str], int] = defaultdict(int)
    for play in evidence.plays.values():
        if play.named:
            links[(play.supporter, play.named)] += 1
    several = _in_several_cases(evidence)
    for (supporter, named), count in links.items():
        if count > 1 and named not in several:
            yield Finding("T", Is.DOUBLED, supporter, f"{count} links led to the same person")


def _in_several_cases(evidence: Evidence) -> set[str]:
    names = Counter(
        person.name for event in evidence.topics.all(ReferralCreated) if (person := evidence.seals.person(event))
    )
    return {name for name, count in names.items() if count > 1}
