"""The incident systems that may report, as `deploy/sources.yaml` describes them.

Each source says how its messages are to be read: its zone, its severity scale, the columns of its files, how
its identifier systems are called here. A wrong file stops the service and names the field.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from intake.domain.incident import Involvement
from intake.domain.severity import HIGHEST, LOWEST, Scale

#: Of the NHS taxonomy: 4 helped to provide the care, 1 witnessed the incident. A witness is offered support
#: too.
INVOLVED_REPORTER_CODES = frozenset({"1", "4"})

#: The report's own fields, which a file's columns may be mapped to.
ReportField = Literal[
    "incident_id",
    "occurred_at",
    "detected_at",
    "recorded_at",
    "actuality",
    "severity",
    "retracted",
    "subject",
    "person",
    "person_system",
    "involvement",
    "reporter",
]


class SourcesError(Exception):
    """`sources.yaml` cannot be used; the message names each wrong field and never shows its value."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA database") from None
    return name


def _known_encoding(name: str) -> str:
    try:
        # Asking for text rules out codecs such as base64, which Python lists as encodings too.
        b"a".decode(name, "replace")
    except (LookupError, UnicodeError):
        raise ValueError("not a text encoding") from None
    return name


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
Grade = Annotated[int, Field(ge=LOWEST, le=HIGHEST)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ReportTable(_Settings):
    """How a source's CSV file of incidents is laid out: one row per incident and person."""

    columns: dict[ReportField, Text]
    delimiter: Delimiter = ","
    encoding: Encoding = "utf-8"
    date_formats: tuple[Text, ...] = ()
    """`strptime` formats, tried in this order; without any, ISO 8601."""
    person_system: Text | None = None
    """The identifier system of the person and reporter columns."""
    potential: frozenset[Text] = frozenset({"potential", "near miss"})
    actual: frozenset[Text] = frozenset({"actual"})
    retracted: frozenset[Text] = frozenset({"yes", "true", "1", "retracted", "entered-in-error"})
    involvements: dict[Text, Involvement] = Field(default_factory=dict)
    """The file's own words for involvement; a word that is not listed counts as involved."""

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if "incident_id" not in self.columns:
            raise ValueError("columns must map incident_id")
        repeated = [name for name, count in Counter(self.columns.values()).items() if count > 1]
        if repeated:
            raise ValueError("columns must map each column once")
        return self


class DirectoryTable(_Settings):
    """How a CSV file of physicians is laid out.

    `columns` maps our field to the file's column. Our fields: `name`, `email`, `phone`, `identifier`,
    `identifier_system`, `identifier:<system>`, `reference`, and any attribute. A column that is not mapped is
    read if it bears the name of a known field.
    """

    columns: dict[Text, Text] = Field(default_factory=dict)
    delimiter: Delimiter = ","
    encoding: Encoding = "utf-8"
    identifier_system: Text | None = None


class Source(_Settings):
    """One incident system."""

    id: Slug
    organisation: Slug
    name: Text
    secret: SecretName | None = None
    """The name of the file that holds its webhook secret; without one it has no webhook."""
    severity_scale: Scale = Scale.PEERLINE
    severity_codes: dict[Text, Grade] = Field(default_factory=dict)
    zone: ZoneName
    age_limit: timedelta = timedelta(days=14)
    burst_hold: Annotated[int, Field(gt=0)] = 30
    """How many incidents in an hour are taken for a flood: the rest waits for a person."""
    trusted_directory: bool = False
    """Whether contact data in its messages goes before the directory's."""
    test: bool = False
    identifier_systems: dict[Text, Text] = Field(default_factory=dict)
    incident_system: Text | None = None
    """Which of several identifiers of an incident is its key."""
    fhir_base: Text | None = None
    """The address of its FHIR server: references under it are its own, all other addresses are foreign."""
    reporter_involved_codes: frozenset[Text] = INVOLVED_REPORTER_CODES
    csv: ReportTable | None = None
    directory: DirectoryTable | None = None

    @model_validator(mode="after")
    def _has_usable_numbers(self) -> Self:
        if self.age_limit <= timedelta(0):
            raise ValueError("age_limit must be longer than nothing")
        if self.severity_scale == Scale.LOCAL and not self.severity_codes:
            raise ValueError("severity_codes are needed for the scale local")
        return self

    def rules(self, subject_key: bytes) -> "SourceRules":
        """Return what the readers need of this source; `subject_key` digests its subjects."""
        return SourceRules(
            source_id=self.id,
            zone=ZoneInfo(self.zone),
            severity_scale=self.severity_scale,
            severity_codes=self.severity_codes,
            trusted_directory=self.trusted_directory,
            identifier_systems=self.identifier_systems,
            incident_system=self.incident_system,
            fhir_base=self.fhir_base.rstrip("/") if self.fhir_base else None,
            reporter_involved_codes=self.reporter_involved_codes,
            csv=self.csv,
            subject_key=subject_key,
        )


@dataclass(frozen=True)
class SourceRules:
    """How the messages of one source are to be read."""

    source_id: str
    zone: ZoneInfo
    severity_scale: Scale = Scale.PEERLINE
    severity_codes: dict[str, int] = field(default_factory=dict)
    trusted_directory: bool = False
    identifier_systems: dict[str, str] = field(default_factory=dict)
    incident_system: str | None = None
    fhir_base: str | None = None
    reporter_involved_codes: frozenset[str] = INVOLVED_REPORTER_CODES
    csv: ReportTable | None = None
    subject_key: bytes = field(default=b"", repr=False)

    def our_system(self, system: str | None) -> str:
        """Return our name of an identifier system of this source; "" where it named none."""
        return self.identifier_systems.get(system or "", system or "")


class Sources(_Settings):
    """All incident systems."""

    sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _has_distinct_ids(self) -> Self:
        if len({source.id for source in self.sources}) < len(self.sources):
            raise ValueError("each source needs an id of its own")
        return self

    def get(self, source_id: str) -> Source | None:
        """Return the source of this id."""
        return next((source for source in self.sources if source.id == source_id), None)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error: the last one would win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        mapping: dict[object, object] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            mark = node.start_mark
            raise yaml.constructor.ConstructorError(problem="a key is given twice", problem_mark=mark)
        return mapping


def parse_sources(text: str) -> Sources:
    """Return the sources that this YAML describes; SourcesError names every field that is wrong."""
    problems: list[str] = []
    try:
        # The loader is a SafeLoader, so this constructs plain values only.
        content = yaml.load(text, _UniqueKeyLoader)  # noqa: S506  a safe loader that also refuses repeated keys
        return Sources.model_validate(content)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problems.append(f"line {line}: {error.problem}")
    except yaml.YAMLError:
        problems.append("not YAML")
    except ValidationError as error:
        problems += [f"{_field_path(e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)]
    raise SourcesError("; ".join(problems))


def load_sources(path: Path) -> Sources:
    """Return the sources in this file; SourcesError names the file and every field that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourcesError(f"{path}: {type(error).__name__}") from None
    try:
        return parse_sources(text)
    except SourcesError as error:
        raise SourcesError(f"{path}: {error}") from None


def _field_path(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.lstrip(".") or "sources"
