"""From bytes to JSON, whatever the bytes: the one place where a hostile body meets a parser."""

import json
from collections import Counter

from intake.readers.faults import UnreadableReport

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64
#: Python refuses to turn thousands of digits into an int; a number this long is read as its digits.
MAX_DIGITS = 18


class Repeating(dict[str, object]):
    """A JSON object in which a name occurs more than once: it says two things under that name."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.repeated = frozenset(name for name, count in counts.items() if count > 1)


def load_object(body: bytes) -> dict[str, object]:
    """Return the JSON object in `body`.

    Raises UnreadableReport (too-large, not-json, too-deep) for everything else. Names given twice do not make
    the whole unreadable, since they may stand in a part that is dropped: see `Repeating`.
    """
    if len(body) > MAX_BYTES:
        raise UnreadableReport("too-large")
    content = _parsed(body)
    if not isinstance(content, dict):
        raise UnreadableReport("not-json")
    if _is_deeper_than(MAX_DEPTH, content):
        raise UnreadableReport("too-deep")
    return content


def _parsed(body: bytes) -> object:
    code = "not-json"
    try:
        parsed: object = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
        return parsed
    except RecursionError:
        code = "too-deep"
    except ValueError:
        pass
    # Raised outside the handlers: a parser's own error quotes the body, and would hang on as the context.
    raise UnreadableReport(code)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Repeating(pairs)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _refuse_constant(_name: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")


def _is_deeper_than(limit: int, content: object) -> bool:
    """Tell whether objects and lists are nested more than `limit` deep.

    Without recursion, which depth would break.
    """
    level = [content]
    for _ in range(limit):
        level = [inner for node in level for inner in _inner(node)]
        if not level:
            return False
    return True


def _inner(node: object) -> list[object]:
    """The objects and lists directly in this one."""
    members = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [inner for inner in members if isinstance(inner, dict | list)]
