"""Which partition a record goes to."""

from aiokafka.partitioner import DefaultPartitioner
from chassis.publisher import partition_for
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=80), st.integers(1, 100))
def test_a_key_goes_where_kafkas_own_clients_send_it(key: bytes, count: int) -> None:
    numbers = list(range(count))

    assert partition_for(key, count) == DefaultPartitioner()(key, numbers, numbers)
