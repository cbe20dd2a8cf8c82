"""Statements that only read, across cases: the open clocks of a programme, and by month what became of all."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Self
from uuid import UUID

import asyncpg
from chassis.database import Connection

from sla_monitor.domain.decisions import Standing
from sla_monitor.domain.measures import Tally
from sla_monitor.domain.outcomes import Outcome


class Place(NamedTuple):
    """Where an open clock stands in the list of them."""

    due_at: datetime
    referral_id: UUID
    kind: str
    attempt: int


class OpenClock(NamedTuple):
    """
    A clock that somebody waits for; breached, where its due time has passed and was promised for.

    `escalated` counts the steps that were told after the breach.
    """

    place: Place
    starts_at: datetime
    firmness: str
    state: Standing
    escalated: int
    acknowledged_at: datetime | None


class Month(NamedTuple):
    """
    The clocks of one kind and firmness that started in a month; times are whole minutes.

    `waits`, `entries` and `reports` are the median and the ninetieth percentile, zero without any: how long it took
    from the start to the stop of those that `stopped`, and until they were `entered`; and the hours within which what
    they are about was `reported`, of those of which a source said when it happened. `late_noticed` are of the breached.
    """

    month: date
    kind: str
    firmness: str
    outcomes: Mapping[str, int]
    stopped: int
    waits: tuple[int, int]
    entered: int
    entries: tuple[int, int]
    reported: int
    reports: tuple[int, int]
    late_noticed: int

    @classmethod
    def empty(cls, month: date, kind: str, firmness: str) -> Self:
        """A month in which no such clock started."""
        return cls(month, kind, firmness, dict.fromkeys(Outcome, 0), 0, (0, 0), 0, (0, 0), 0, (0, 0), 0)


async def open_clocks(
    connection: Connection, programme_id: str, *, before: datetime | None, after: Place | None, limit: int
) -> list[OpenClock]:
    """Up to `limit` open clocks that are due before an instant, the earliest due first, from a place in the list on."""
    rows = await connection.fetch(
        """
        SELECT open_due_at, referral_id, kind, attempt, starts_at, firmness,
               CASE WHEN verdict = 'breached' THEN 'breached' WHEN suspended THEN 'paused'
                    WHEN approached THEN 'approaching' ELSE 'running' END AS state,
               escalated, acknowledged_at
          FROM clock
         WHERE programme_id = $1 AND open_due_at IS NOT NULL
           AND open_due_at < coalesce($2::timestamptz, 'infinity')
           AND (open_due_at, referral_id, kind, attempt) > (coalesce($3::timestamptz, '-infinity'), $4::uuid, $5, $6::int)
         ORDER BY open_due_at, referral_id, kind, attempt
         LIMIT $7
        """,
        programme_id,
        before,
        *(after or (None, UUID(int=0), "", 0)),
        limit,
    )
    return [
        OpenClock(
            place=Place(*(row[number] for number in range(4))),
            starts_at=row["starts_at"],
            firmness=row["firmness"],
            state=Standing(row["state"]),
            escalated=row["escalated"],
            acknowledged_at=row["acknowledged_at"],
        )
        for row in rows
    ]


async def months(connection: Connection, programme_id: str, first: date, last: date) -> list[Month]:
    """What became of the clocks that started in these months, those of forgotten cases with them."""
    rows = await connection.fetch(
        """
        WITH account AS (
            SELECT month, kind, firmness, outcome, waited, entered_after, reported_within, late_noticed FROM clock
             WHERE programme_id = $1 AND month BETWEEN $2 AND $3
             UNION ALL
            SELECT month, kind, firmness, outcome, waited, entered_after, reported_within, late_noticed
              FROM forgotten_clock
             WHERE programme_id = $1 AND month BETWEEN $2 AND $3
        )
        SELECT month, kind, firmness,
               count(*) FILTER (WHERE outcome = 'met') AS met,
               count(*) FILTER (WHERE outcome = 'breached') AS breached,
               count(*) FILTER (WHERE outcome = 'corrected') AS corrected,
               count(*) FILTER (WHERE outcome = 'late') AS late,
               count(waited) AS stopped,
               percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY waited) AS waits,
               count(entered_after) AS entered,
               percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY entered_after) AS entries,
               count(reported_within) AS reported,
               percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY reported_within) AS reports,
               count(*) FILTER (WHERE outcome = 'breached' AND late_noticed) AS late_noticed
          FROM account
         GROUP BY month, kind, firmness
         ORDER BY month, kind, firmness
        """,
        programme_id,
        first,
        last,
    )
    return [_month(row) for row in rows]


def _month(row: asyncpg.Record) -> Month:
    return Month(
        month=row["month"],
        kind=row["kind"],
        firmness=row["firmness"],
        outcomes={name: row[name] for name in Outcome},
        stopped=row["stopped"],
        waits=_pair(row["waits"]),
        entered=row["entered"],
        entries=_pair(row["entries"]),
        reported=row["reported"],
        reports=_pair(row["reports"]),
        late_noticed=row["late_noticed"],
    )


def _pair(percentiles: Sequence[int] | None) -> tuple[int, int]:
    return (0, 0) if percentiles is None else (percentiles[0], percentiles[1])


async def tallies(connection: Connection, limit: int) -> list[Tally]:
    """
    Count the open clocks by kind and firmness, without a lock.

    These are the `limit` next to be decided, the `limit` oldest missed, `limit` paused, and `limit` that time never
    decides, which are neither due soon nor overdue. All are found by partial indexes, whatever is at rest beside them.
    """
    rows = await connection.fetch(
        """
        WITH undecided AS (
            SELECT kind, firmness, due_at, next_at, suspended
              FROM clock WHERE next_at IS NOT NULL AND verdict IS NULL ORDER BY next_at LIMIT $1
        ), missed AS (
            SELECT kind, firmness, due_at, next_at, suspended  -- of the next step, where there is one
              FROM clock WHERE verdict = 'breached' AND open_due_at IS NOT NULL AND NOT suspended ORDER BY due_at LIMIT $1
        ), paused AS (
            SELECT kind, firmness, NULL::timestamptz AS due_at, NULL::timestamptz AS next_at, suspended
              FROM clock WHERE suspended AND open_due_at IS NOT NULL LIMIT $1
        ), shown AS (
            SELECT kind, firmness, NULL::timestamptz AS due_at, NULL::timestamptz AS next_at, suspended
              FROM clock WHERE open_due_at IS NOT NULL AND next_at IS NULL AND verdict IS NULL AND NOT suspended
             ORDER BY open_due_at LIMIT $1
        )
        SELECT kind, firmness,
               count(*) FILTER (WHERE NOT suspended) AS open,
               count(*) FILTER (WHERE suspended) AS paused,
               count(*) FILTER (WHERE due_in BETWEEN '0' AND '1 hour') AS due_soon,
               count(*) FILTER (WHERE due_in < '0') AS overdue,
               greatest(-min(due_in), '0') AS oldest,
               greatest(max(statement_timestamp() - next_at), '0') AS behind
          FROM (SELECT *, due_at - statement_timestamp() AS due_in
                  FROM (TABLE undecided UNION ALL TABLE missed UNION ALL TABLE paused UNION ALL TABLE shown) AS open)
               AS standing
         GROUP BY kind, firmness
        """,
        limit,
    )
    return [Tally(**row) for row in rows]
