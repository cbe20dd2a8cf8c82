"""
The files in `schemas/`: written anew from the code, and checked.

`json/released/` holds the schemas of the last release, against which every change is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from peerline.events import REGISTRY

from peerline_local.errors import StackError
from peerline_local.schemas import asyncapi
from peerline_local.schemas.language import Schema, breaks, file_name, schema_of

FOLDER = Path(__file__).resolve().parents[4] / "schemas"


def current_texts() -> dict[Path, str]:
    """Return every generated file, by its path below the folder of schemas."""
    texts = {Path("json") / file_name(event): _as_text(schema_of(event)) for event in REGISTRY.values()}
    return texts | {Path("asyncapi.yaml"): asyncapi.as_text()}


def write(folder: Path = FOLDER, *, release: bool = False) -> list[Path]:
    """
    Write every file that is not current, and remove those of events that are no more; return their paths.

    With `release` the files become those of the last release too; raises StackError where a change since
    the former release is not allowed.
    """
    texts = current_texts()
    if release:
        if faults := list(incompatible_changes(folder, texts)):
            raise StackError("not released: " + "; ".join(faults))
        texts |= {_released(path): text for path, text in texts.items() if path.suffix == ".json"}
    stale = [path for path, text in texts.items() if _read(folder / path) != text]
    for path in stale:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(texts[path], encoding="utf-8")
    gone = [path for path in _present(folder, Path("json")) if path not in texts]
    for path in gone:
        (folder / path).unlink()
    return sorted([*stale, *gone])


def faults_of(folder: Path = FOLDER) -> list[str]:
    """Return, a line each, what is wrong: files that are not current, changes that are not allowed."""
    texts = current_texts()
    faults = [f"{path}: is not current" for path, text in texts.items() if _read(folder / path) != text]
    gone = [path for path in _present(folder, Path("json")) if path not in texts]
    faults += [f"{path}: there is no such event" for path in gone]
    return faults + list(incompatible_changes(folder, texts))


def incompatible_changes(folder: Path, texts: Mapping[Path, str]) -> Iterator[str]:
    """Yield, a line each, what may not change about an event that was released."""
    for path in _present(folder, Path("json") / "released"):
        now = texts.get(Path("json") / path.name)
        if now is None:
            yield f"{path.name}: was released and is gone"
            continue
        released = json.loads((folder / path).read_text(encoding="utf-8"))
        for fault in breaks(released, json.loads(now)):
            yield f"{path.name}: {fault}"


def _as_text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _released(path: Path) -> Path:
    return path.parent / "released" / path.name


def _present(folder: Path, below: Path) -> list[Path]:
    return sorted(below / path.name for path in (folder / below).glob("*.json"))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
