"""
The chassis, with a handler like matcher's: two rows and one event for each referral.

`--sealed`: each event's compartment is opened, and one is sealed in the event that it leads to. `--silent`: without
traces, and with metrics that count nothing, to know what telemetry costs.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chassis import Consumer, Service, ServiceSettings, UnitOfWork, load, run, telemetry
from opentelemetry.trace import INVALID_SPAN, Span
from peerline.compartments import MatchingProfile, SupporterContact
from peerline.events import Audience, MatchConfirmed, MatchProposed, ReferralCreated
from peerline.events.base import Sealed
from prometheus_client import Counter, Gauge, Histogram

from tests.benchmarks.contenders import SUPPORTER, Spec

EFFECT = """
WITH cases AS (
    INSERT INTO effect_case SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
)
INSERT INTO effect_match SELECT referral_id, 1, $4 FROM unnest($1::uuid[]) AS given (referral_id)
"""
CONTACT = SupporterContact(supporter_id=SUPPORTER, name="Sam Sample", email="sam@support.example")

consumer, sealing = Consumer("matcher"), Consumer("matcher")


@consumer.on(ReferralCreated)
async def confirm(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    """Two rows and one event for each."""
    await _effect(referrals, work)
    for referral in referrals:
        work.publish(MatchConfirmed(**_fields(MatchConfirmed.name, referral, work)))


@sealing.on(ReferralCreated)
async def propose(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    """The same, with one compartment opened and one sealed for each."""
    for referral in referrals:
        work.open(referral, Audience.MATCHER, MatchingProfile)
    await _effect(referrals, work)
    for referral in referrals:
        sealed = work.seal(Audience.NOTIFIER, CONTACT, MatchProposed, referral.referral_id)
        work.publish(
            MatchProposed(**_fields(MatchProposed.name, referral, work), sealed=Sealed(notifier=sealed)),
        )


async def _effect(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    await work.connection.execute(
        EFFECT,
        [referral.referral_id for referral in referrals],
        [referral.programme.id for referral in referrals],
        [referral.received_at for referral in referrals],
        SUPPORTER,
    )


def _fields(name: str, referral: ReferralCreated, work: UnitOfWork) -> dict[str, Any]:
    return {
        "event_id": work.ids.event(name, referral.referral_id, 1),
        "referral_id": referral.referral_id,
        "programme": referral.programme,
        "sequence": 1,
        "occurred_at": work.now,
        "match_id": work.ids.match(referral.referral_id, 1),
        "attempt": 1,
    }


def silence() -> None:
    """Make metrics and traces do nothing in this process."""
    for kind, method in ((Counter, "inc"), (Gauge, "set"), (Histogram, "observe")):
        for name, instead in ((method, _nothing), ("labels", _itself)):
            setattr(kind, name, instead)
    telemetry.span = _no_span
    telemetry.traceparent = _nothing


def _nothing(*_given: object, **_named: object) -> None:
    return None


def _itself(metric: Any, *_given: object, **_named: object) -> Any:
    return metric


@contextmanager
def _no_span(*_given: object, **_named: object) -> Iterator[Span]:
    yield INVALID_SPAN


def main() -> None:
    """Become the service."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sealed", action="store_true")
    parser.add_argument("--silent", action="store_true")
    given = parser.parse_args()
    if given.silent:
        silence()
    run(
        Service(
            name="matcher",
            settings=load(ServiceSettings),
            consumer=sealing if given.sealed else consumer,
            migrations=Path(Spec.read().folder) / "migrations",
        )
    )


if __name__ == "__main__":
    main()
