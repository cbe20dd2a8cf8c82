"""`peerline feed`: hand adverse events in, or only count what would come of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    import httpx

    from peerline_local.demo.reach import Reach


class Door(StrEnum):
    """Where incident systems hand in."""

    WEBHOOK = "webhook"
    KAFKA = "kafka"
    IMPORT = "import"


Files = Annotated[list[Path], typer.Argument(help="FHIR JSON, a Bundle, NDJSON, or a source's CSV file.")]
SourceId = Annotated[str | None, typer.Option("--source", help="The source's id; else the first that fits the file.")]
AtDoor = Annotated[Door | None, typer.Option("--door", help="webhook and kafka take JSON, import takes CSV.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read the files and count; nothing is sent.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("feed")(feed)


def feed(
    context: typer.Context,
    files: Files,
    source: SourceId = None,
    door: AtDoor = None,
    dry_run: DryRun = False,
) -> None:
    """Hand adverse events in; exit code 1 when any was refused."""
    home = Home.at(context.obj)
    refused = 0
    for path in files:
        body = _read(path)
        chosen = _door(path, door)
        source_id = source or _first_source(chosen)
        counts = _count(path, body, source_id) if dry_run else asyncio.run(_send(home, path, body, source_id, chosen))
        refused += counts["refused"]
        said = ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing in it"
        typer.echo(f"{path.name}: {said}")
    if refused:
        raise typer.Exit(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}") from None


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _door(path: Path, door: Door | None) -> Door:
    """The door for a file; StackError where the one asked for does not take it."""
    if door is None:
        return Door.IMPORT if _is_table(path) else Door.WEBHOOK
    if _is_table(path) != (door is Door.IMPORT):
        raise StackError(f"{path.name}: the door {door} does not take such files")
    return door


def messages(path: Path, body: bytes) -> list[bytes]:
    """Return the messages in a file: one, or one a line for NDJSON."""
    if path.suffix.lower() in (".ndjson", ".jsonl"):
        return [line for line in body.splitlines() if line.strip()]
    return [body]


def _sources() -> Any:
    """Intake's list of incident systems, as the stack would use it."""
    from peerline_local.services import Options

    try:
        from intake.sources import SourcesError, load_sources
    except ImportError:
        raise StackError("intake is not installed here: run make setup") from None
    try:
        return load_sources(Options().sources_file())
    except SourcesError as error:
        raise StackError(str(error)) from None


def _first_source(door: Door) -> str:
    """The first source, tests aside, that has this door."""
    for source in _sources().sources:
        if not source.test and (source.csv if door is Door.IMPORT else source.secret):
            return str(source.id)
    raise StackError(f"no source has the door {door}: see deploy/sources.yaml")


def _count(path: Path, body: bytes, source_id: str) -> Counter[str]:
    """What the reader of this file finds in it."""
    from intake.readers.faults import UnreadableReport

    source = _sources().get(source_id)
    if source is None:
        raise StackError(f"no source {source_id!r} is known here: see deploy/sources.yaml")
    read = _read_table if _is_table(path) else _read_message
    counts: Counter[str] = Counter()
    for message in messages(path, body):
        try:
            reports, faults = read(message, source.rules(b""))
        except UnreadableReport as fault:
            counts["refused"] += 1
            typer.echo(f"{path.name}: refused, {fault}", err=True)
            continue
        counts["refused"] += faults
        for report in reports:
            counts.update(_outcomes(report))
    return counts


def _read_table(body: bytes, rules: Any) -> tuple[Sequence[Any], int]:
    """The reports in a CSV file, and how many of its rows were left out."""
    from intake.readers.table import read_report_table

    reports, faults = read_report_table(body, source=rules, arrived_at=datetime.now(UTC))
    return reports, len(faults)


def _read_message(body: bytes, rules: Any) -> tuple[Sequence[Any], int]:
    """The reports in a message, and how many of it could not be read."""
    from intake.readers.fhir import read_reports

    reading = read_reports(body, source=rules, arrived_at=datetime.now(UTC))
    return reading.reports, len(reading.faults)


def _outcomes(report: Any) -> Counter[str]:
    return Counter(
        {
            "reports": 1,
            "retracted": int(report.retracted),
            "near misses": int(report.actuality == "potential"),
            "people involved": len(report.involved),
            "to be judged by a person": len(report.to_decide),
            "naming nobody": int(report.names_nobody),
        }
    )


async def _send(home: Home, path: Path, body: bytes, source: str, door: Door) -> Counter[str]:
    from peerline_local.demo import doors
    from peerline_local.demo.reach import Reach

    reach = Reach.of(home)
    if door is Door.KAFKA:
        records = [(_key(path, number), message) for number, message in enumerate(messages(path, body), start=1)]
        return Counter({"records written": await doors.produce(reach, source, records)})
    async with reach.client("intake") as client:
        if door is Door.IMPORT:
            return _receipts(path, [await doors.import_table(client, source, body)])
        return _receipts(path, [await _post(client, reach, source, message) for message in messages(path, body)])


async def _post(client: httpx.AsyncClient, reach: Reach, source: str, message: bytes) -> httpx.Response:
    """Send a message under an id that its content gives, so that sending it again repeats it."""
    import httpx

    from peerline_local.demo import doors

    message_id = "feed-" + hashlib.sha256(message).hexdigest()[:32]
    try:
        return await doors.post_report(client, reach.home, source, message, message_id=message_id)
    except httpx.HTTPError as error:
        raise StackError(f"intake does not answer: {type(error).__name__}") from None


def _receipts(path: Path, answers: list[httpx.Response]) -> Counter[str]:
    from peerline_local.demo.reach import refusal

    counts: Counter[str] = Counter()
    for answer in answers:
        if not answer.is_success:
            counts["refused"] += 1
            typer.echo(f"{path.name}: refused, {refusal(answer)}", err=True)
            continue
        content = answer.json()
        counts["refused"] += len(content.get("faults", []))
        for receipt in content.get("receipts", [content]):
            counts["accepted"] += 1
            for name in ("offered", "joined", "unresolved", "not_eligible"):
                counts[name.replace("_", " ")] += int(receipt.get(name, 0))
    return counts


def _key(path: Path, number: int) -> str:
    return f"{path.stem}-{number}"
