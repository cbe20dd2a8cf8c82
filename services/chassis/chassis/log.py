"""
Logs are events with fields from an allow-list; everything else is dropped before it is written.

Libraries' own records are reduced to logger, level and exception class: their texts may hold values.
"""

import contextlib
import logging
import sys
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import structlog

EACH = 10.0  # seconds in which one line of a library's code is written once
ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "service",
        "referral_id",
        "match_id",
        "event_id",
        "attempt",
        "programme",
        "count",
        "reason",
        "kind",
        "step",
        "phase",
        "clock",
        "topic",
        "partition",
        "offset",
        "seconds",
        "status",
        "code",
        "path",
        "route",
        "source",
        "error",
        "lag",
        "what",
        "trace_id",
    ]
)


def only_allowed(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the allow-list, and say how many were dropped."""
    kept = {key: value for key, value in entry.items() if key in ALLOWED}
    if len(kept) < len(entry):
        kept["dropped"] = len(entry) - len(kept)
    return kept


def logger(service: str) -> Any:
    """A logger whose calls name an event and give fields: `log.info("match_proposed", attempt=1)`."""
    return structlog.get_logger(service=service)


class Lines:
    """Writes lines to standard output; a full disk or a closed pipe must not fail the work that is logged."""

    def msg(self, message: str) -> None:
        """Write one line, if that can be done."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(message + "\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = log = msg


class LibraryRecords(logging.Handler):
    """Writes what a library has to say without its text, and of what it says over and over a line in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, float] = {}
        self._unwritten: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """
        One line: which logger, where in it, the class of the exception if there is one, and how often since the last.

        While a broker is away aiokafka says so thousands of times a second.
        """
        source = f"{record.module}:{record.lineno}"
        self._unwritten[source] += 1
        if record.created - self._written.get(source, 0.0) < EACH:
            return
        self._written[source] = record.created
        count = self._unwritten.pop(source)
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(
            record.levelno, "library_message", what=record.name, error=error, source=source, count=count
        )


def configure(level: str, service: str) -> None:
    """JSON lines on standard output from `level` (debug, info, warning, error) on, each naming the service that runs."""

    def name_service(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**entry, "service": service}

    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            name_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_arguments: Lines(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [LibraryRecords()]
    root.setLevel(logging.WARNING)  # whatever ours is: libraries' debug texts hold record bodies
