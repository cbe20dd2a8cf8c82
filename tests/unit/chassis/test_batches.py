"""A batch is split so that each referral's events keep their order."""

from datetime import UTC, datetime
from uuid import UUID

from chassis.delivery import in_order
from hypothesis import given
from hypothesis import strategies as st
from peerline.events import Event, ProgrammeRef, ReferralAmended, ReferralForgotten, ReferralWithdrawn

NOW = datetime(2026, 6, 9, tzinfo=UTC)
TYPES = (ReferralAmended, ReferralWithdrawn, ReferralForgotten)


def an_event(kind: type[Event], referral: int, place: int) -> Event:
    return kind(
        event_id=UUID(int=place),
        referral_id=UUID(int=referral),
        programme=ProgrammeRef(id="shcp", digest="0" * 16),
        sequence=place + 1,
        occurred_at=NOW,
    )


batches = st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 4)), max_size=60).map(
    lambda drawn: [an_event(kind, referral, place) for place, (kind, referral) in enumerate(drawn)]
)


@given(batches)
def test_taking_list_after_list_keeps_each_referrals_order(batch: list[Event]) -> None:
    taken = [event for events in in_order(batch) for event in events]

    assert sorted(taken, key=lambda event: event.sequence) == batch
    for referral in {event.referral_id for event in batch}:
        sequence = [event.sequence for event in taken if event.referral_id == referral]
        assert sequence == sorted(sequence)


@given(batches)
def test_each_list_holds_one_type(batch: list[Event]) -> None:
    assert all(len({type(event) for event in events}) == 1 for events in in_order(batch))


def test_a_batch_of_strangers_of_one_type_is_one_list() -> None:
    batch = [an_event(ReferralAmended, number, number) for number in range(100)]

    assert len(in_order(batch)) == 1
