"""Files of incidents, brought by a coordinator."""

import asyncio
from typing import Any

from chassis import Transactions, UnitOfWork
from chassis.http import Problem
from fastapi import APIRouter, Request

from intake import casework
from intake.api.doors import (
    Coordinator,
    Database,
    DryRun,
    SourceId,
    count,
    decided,
    in_transaction,
    source_named,
    unreadable,
)
from intake.casework import Verdict
from intake.domain.incident import IncidentReport
from intake.readers.faults import RowFault, UnreadableReport
from intake.readers.table import read_report_table
from intake.receipts import faults_of, receipt_of
from intake.sources import Source

#: Incidents per transaction; a file that breaks off half-way is brought again, and what was taken stays.
AT_A_TIME = 200
router = APIRouter()


@router.post("/v1/imports")
async def import_file(
    request: Request,
    transactions: Database,
    _caller: Coordinator,
    source: SourceId = None,
    dry_run: DryRun = False,
) -> dict[str, Any]:
    """Take a CSV file in its source's own columns; rows that cannot be read are left out and named."""
    known = source_named(transactions, source)
    if known.csv is None:
        raise Problem(422, "no-file-layout", field="source")
    reports, faults = await _read(transactions, known, await request.body())
    verdicts: list[Verdict] = []
    for start in range(0, len(reports), AT_A_TIME):
        part = reports[start : start + AT_A_TIME]

        async def decide(work: UnitOfWork, part: list[IncidentReport] = part) -> list[Verdict]:
            return await decided(work, known, part)

        verdicts += await in_transaction(transactions, decide, rehearse=dry_run or known.test)
    if not (dry_run or known.test):
        count("import", verdicts)
    return {
        "reports": len(reports),
        "receipts": [receipt_of(verdict) for verdict in verdicts],
        "faults": faults_of(faults),
    }


async def _read(transactions: Transactions, source: Source, body: bytes) -> tuple[list[IncidentReport], list[RowFault]]:
    async with transactions.begin() as work:
        rules, now = casework.rules_of(work, source), work.now
    try:
        return await asyncio.to_thread(read_report_table, body, source=rules, arrived_at=now)
    except UnreadableReport as fault:
        problem = unreadable(fault)
    raise problem
