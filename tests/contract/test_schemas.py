"""The schemas of events: current, and compatible with the last release."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar
from uuid import UUID

import pytest
from peerline.events import Event, ProgrammeRef, Topic
from peerline_local.errors import StackError
from peerline_local.schemas import files
from peerline_local.schemas.language import breaks, schema_of
from pydantic import Field


def test_the_committed_files_are_what_the_code_gives_and_break_with_no_release() -> None:
    assert files.faults_of() == []


def test_a_file_that_was_edited_missing_or_left_over_is_named(tmp_path: Path) -> None:
    files.write(tmp_path, release=True)
    (tmp_path / "json" / "match-proposed.v1.json").write_text("{}")
    (tmp_path / "json" / "match-confirmed.v1.json").unlink()
    (tmp_path / "json" / "match-regretted.v1.json").write_text("{}")

    assert files.faults_of(tmp_path) == [
        "json/match-proposed.v1.json: is not current",
        "json/match-confirmed.v1.json: is not current",
        "json/match-regretted.v1.json: there is no such event",
    ]

    files.write(tmp_path)
    assert files.faults_of(tmp_path) == []


def test_a_released_event_that_is_gone_or_has_changed_is_not_released_again(tmp_path: Path) -> None:
    files.write(tmp_path, release=True)
    released = tmp_path / "json" / "released"
    (released / "match-regretted.v1.json").write_text((released / "match-proposed.v1.json").read_text())
    fewer = json.loads((released / "match-proposed.v1.json").read_text())
    fewer["required"].remove("match_id")
    (released / "match-proposed.v1.json").write_text(json.dumps(fewer))

    assert files.faults_of(tmp_path) == [
        "match-proposed.v1.json: what the last release writes is not all accepted any more",
        "match-regretted.v1.json: was released and is gone",
    ]
    with pytest.raises(StackError, match="not released"):
        files.write(tmp_path, release=True)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColour(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Painted(Event):
    """What was released."""

    name: ClassVar[str] = "painted"
    topic: ClassVar[Topic] = Topic.MATCHES

    colour: Colour
    code: Annotated[str, Field(pattern=r"^[a-z]+$")]
    coats: int | None = None


class WithOptional(Painted):
    gloss: bool | None = None
    bought_with: UUID | None = None


class WithOptionalPart(Painted):
    painter: ProgrammeRef | None = None


class WithRequired(Painted):
    gloss: bool


class WithoutRequired(Event):
    name: ClassVar[str] = "painted"
    topic: ClassVar[Topic] = Topic.MATCHES

    code: Annotated[str, Field(pattern=r"^[a-z]+$")]
    coats: int | None = None


class WithoutOptional(Event):
    name: ClassVar[str] = "painted"
    topic: ClassVar[Topic] = Topic.MATCHES

    colour: Colour
    code: Annotated[str, Field(pattern=r"^[a-z]+$")]


class NarrowerType(Painted):
    coats: Annotated[int, Field(ge=1)] | None = None


class WiderType(Painted):
    coats: int | str | None = None  # type: ignore[assignment]  # the change under test


class OneColourMore(Painted):
    colour: MoreColour  # type: ignore[assignment]  # the change under test


class OtherPattern(Painted):
    code: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]


class NoLongerAnId(Painted):
    event_id: str  # type: ignore[assignment]  # the change under test


class OptionalMadeRequired(Painted):
    coats: int


@pytest.mark.parametrize(
    ("current", "allowed"),
    [
        (Painted, True),
        (WithOptional, True),
        (WithOptionalPart, True),
        (WithRequired, False),
        (WithoutRequired, False),
        (WithoutOptional, False),
        (NarrowerType, False),
        (WiderType, False),
        (OneColourMore, False),
        (OtherPattern, False),
        (NoLongerAnId, False),
        (OptionalMadeRequired, False),
    ],
)
def test_a_schema_may_only_grow_by_what_is_optional(current: type[Event], *, allowed: bool) -> None:
    found = list(breaks(schema_of(Painted), schema_of(current)))

    assert (found == []) is allowed


def test_a_schema_that_cannot_be_decided_counts_as_broken() -> None:
    unlike = schema_of(Painted)
    unlike["properties"]["code"]["pattern"] = r"^(?!never)[a-z]+$"

    assert list(breaks(schema_of(Painted), unlike))
