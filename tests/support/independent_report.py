"""
A programme's report, reckoned from the events alone: `peerline events --json | python independent_report.py PROGRAMME ZONE`.

This is for checking the service, of which it must know nothing: it imports the standard library only, and what
it takes for so stands in README. It knows the clocks match, first-contact and response, with their usual moments.
Writes one JSON object a line, a row of the report each.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]
FIVE_MINUTES = timedelta(minutes=5)
STOPS = {
    "match": {"match-confirmed"},
    "first-contact": {"contact-attempted", "contact-made"},
    "response": {"contact-made"},
}
COUNTS = {kind: ("met", "late") if kind == "response" else ("met", "breached", "corrected") for kind in STOPS}


def main(programme: str, zone: ZoneInfo, lines: Iterable[str]) -> None:
    events = [event for event in map(read, lines) if (event.get("programme") or {}).get("id") == programme]
    clocks: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if "deadline_id" in event:
            clocks[event["deadline_id"]].append(event)
    rows: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for told in clocks.values():
        clock = clock_of(sorted(told, key=lambda event: event["sequence"]), events)
        month = clock["start"].astimezone(zone).strftime("%Y-%m")
        rows[month, clock["kind"], clock["firmness"]].append(clock)
    for key in sorted(rows):
        sys.stdout.write(json.dumps(row_of(*key, rows[key])) + "\n")


def read(line: str) -> Event:
    record = json.loads(line)
    event: Event = record["body"] | {"name": record["headers"]["ce_type"].split(".")[1]}
    event["what"] = event.get("step") or event["name"]
    return event


def clock_of(told: list[Event], events: list[Event]) -> Event:
    last = [event for event in told if event["name"] == "deadline-set"][-1]
    start, due = at(last["starts_at"]), at(last["due_at"])
    about = [event for event in events if last["referral_id"] in (event["referral_id"], event.get("into"))]
    stops = [
        at(event["occurred_at"])
        for event in about
        if event["what"] in STOPS[last["clock"]] and last.get("attempt") in (None, event.get("attempt"))
    ]
    asked = [event for event in about if "received_at" in event and at(event["received_at"]) == start]
    asked.sort(key=lambda event: at(event["occurred_at"]))
    names = {event["name"] + "/corrects" * ("corrects" in event) for event in told}
    return {
        "kind": last["clock"],
        "firmness": last["firmness"],
        "start": start,
        "outcome": outcome(names, bool(stops) and min(stops) > due, last["clock"]),
        "waited": minutes(min(stops) - start) if stops else None,
        "entered": minutes(at(asked[0]["occurred_at"]) - start) if asked else 0,
        "reported": asked[0].get("reported_within_hours") if asked else None,
        "late_noticed": any(is_late(event, due, asked) for event in told if event["name"] == "deadline-breached"),
    }


def is_late(breach: Event, due: datetime, asked: list[Event]) -> bool:
    """Told more than five minutes after it could be, which is known of the clocks that start with a request."""
    could_be = max([due, *(at(event["occurred_at"]) for event in asked[:1])])
    late = at(breach["occurred_at"]) - could_be > FIVE_MINUTES
    if breach["late_noticed"] != late:
        raise ValueError(f"{breach['event_id']} says otherwise than its times")
    return bool(late)


def outcome(names: set[str], stopped_late: bool, kind: str) -> str | None:
    if "deadline-met/corrects" in names:
        return "corrected"
    if "deadline-breached" in names:
        return "breached"
    if "deadline-met" in names:
        return "met"
    return "late" if stopped_late and kind == "response" else None


def row_of(month: str, kind: str, firmness: str, clocks: list[Event]) -> Event:
    counts = {name: sum(clock["outcome"] == name for clock in clocks) for name in COUNTS[kind]}
    decided = sum(counts.values())
    row: Event = dict.fromkeys(("met", "breached", "corrected", "late", "late_noticed")) | counts
    row |= {"month": month, "clock": kind, "firmness": firmness, "decided": decided}
    row |= percentiles("wait", "minutes", [clock["waited"] for clock in clocks])
    row |= percentiles("entry", "minutes", [clock["entered"] for clock in clocks])
    row |= percentiles("reported", "hours", [clock["reported"] for clock in clocks])
    hidden = small(counts) | ({"decided"} if decided < 11 else set())
    if kind != "response":
        row["late_noticed"] = sum(clock["outcome"] == "breached" and clock["late_noticed"] for clock in clocks)
        is_small = min(row["late_noticed"], row["breached"] - row["late_noticed"]) < 11
        hidden |= {"late_noticed"} if is_small or "breached" in hidden else set()
    row["hidden"] = sorted(
        hidden | {name for name in row if name.endswith(("_minutes", "_hours")) and row[name] is None}
    )
    missed = "late" if kind == "response" else "breached"
    known = not {missed, "decided"} & set(row["hidden"])
    row["in_time_percent"] = round(100 * (decided - row[missed]) / decided, 1) if known else None
    row["target_percent"] = 90 if firmness == "usual" else None
    return row | dict.fromkeys(row["hidden"])


def small(counts: dict[str, int]) -> set[str]:
    """Hidden are the smallest, as few as add up to eleven or more and to less than any that is shown."""
    names = sorted(counts, key=lambda name: counts[name])
    if counts[names[0]] >= 11:
        return set()
    for kept in range(len(names) - 2, 0, -1):
        away, stay = names[:-kept], names[-kept:]
        if 11 <= sum(counts[name] for name in away) < counts[stay[0]]:
            return set(away)
    return set(names)


def percentiles(of: str, unit: str, values: list[int | None]) -> dict[str, int | None]:
    """The least value that so many per cent of the values do not exceed; none of fewer than eleven."""
    rising = sorted(value for value in values if value is not None)
    if len(rising) < 11:
        return {f"{of}_p50_{unit}": None, f"{of}_p90_{unit}": None}
    return {f"{of}_p{percent}_{unit}": rising[-(-percent * len(rising) // 100) - 1] for percent in (50, 90)}


def minutes(lasted: timedelta) -> int:
    return max(int(lasted.total_seconds() // 60), 0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    main(sys.argv[1], ZoneInfo(sys.argv[2]), sys.stdin)
