"""Names are repeatable for who has the key, and tell nothing to who has not."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peerline.ids import Ids, Pseudonyms

IDS = Ids(b"k" * 32)


def test_the_same_business_key_has_the_same_id() -> None:
    assert IDS.referral("shcp", "risk", "EV-1", "dr-77") == Ids(b"k" * 32).referral("shcp", "risk", "EV-1", "dr-77")


@given(st.tuples(*[st.text(max_size=8)] * 4), st.tuples(*[st.text(max_size=8)] * 4))
def test_different_business_keys_have_different_ids(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (IDS.referral(*one) == IDS.referral(*other)) is (one == other)


def test_an_id_is_a_uuid_of_version_8() -> None:
    made = IDS.match(UUID(int=1), 1)

    assert (made.version, made.variant) == (8, "specified in RFC 4122")


def test_another_key_gives_another_id() -> None:
    assert IDS.match(UUID(int=1), 1) != Ids(b"q" * 32).match(UUID(int=1), 1)


def test_a_pseudonym_does_not_depend_on_case_or_outer_blanks() -> None:
    names = Pseudonyms(b"p" * 32)

    assert names.of("email", "Ada@Example.org ") == names.of("EMAIL", " ada@example.ORG")
    assert names.of("email", "ada@example.org") != names.of("npi", "ada@example.org")


def test_a_phone_number_is_the_same_however_it_is_written() -> None:
    names = Pseudonyms(b"p" * 32)

    written = {
        names.of("phone", text) for text in ("+1 207 555-0114", "(207) 555 0114", "2075550114", "1.207.555.0114")
    }

    assert len(written) == 1
    assert names.of("phone", "+44 20 7946 0018") != names.of("phone", "20 7946 0018")


@pytest.mark.parametrize("made", [Ids, Pseudonyms])
def test_a_short_key_is_refused(made: type) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        made(b"short")
