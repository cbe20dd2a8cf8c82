"""The demo's own version of the programmes: the same promises, without the waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from peerline.programme import Programmes, read_programmes

from peerline_local.home import Home, write_atomically

_CAPACITY = 20

SAYS = (
    "The demo uses copies of the programme files in which nothing has to be waited for: no waiting time before"
    " contact, contact hours all day, no pause between two cases of a supporter, and room for"
    f" {_CAPACITY} cases each. What the programmes promise, and by when, is as in their files."
)


def overlaid(folder: Path, home: Home) -> Path:
    """Write the copies into the home and return their folder; raises ProgrammeError for a wrong file."""
    target = home.folder(home.path / "demo" / "programmes")
    for old in target.glob("*.yaml"):
        old.unlink()
    for path in sorted(folder.glob("*.yaml")):
        content = without_waiting(yaml.safe_load(path.read_text(encoding="utf-8")))
        write_atomically(target / path.name, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    read_programmes(target)
    return target


def without_waiting(content: dict[str, Any]) -> dict[str, Any]:
    """Return a programme with its waiting times at zero, open all day, and with room."""
    all_day = {"from": "00:00", "to": "00:00"}
    contact = {
        **content.get("contact", {}),
        "after_occurrence": "PT0S",
        "after_report": "PT0S",
        "hours": all_day,
    }
    matching = {**content.get("matching", {}), "cool_off": "PT0S", "capacity": _CAPACITY}
    return {**content, "contact": contact, "matching": matching}


def coordinators(programmes: Programmes) -> dict[str, str]:
    """The address of each programme's coordinator."""
    return {programme.id: programme.coordinator.email for programme in programmes.values()}
