"""The directory of physicians, brought by a coordinator."""

import asyncio
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from chassis import Transactions
from chassis.http import Problem
from fastapi import APIRouter, Request

from intake import rounds
from intake.api.doors import Coordinator, Database, SourceId, source_named, unreadable
from intake.directory import Loaded, load
from intake.readers.directory import DirectoryEntry, read_directory
from intake.readers.faults import RowFault, UnreadableReport
from intake.receipts import faults_of
from intake.repository import incidents, referrals
from intake.sources import DirectoryTable, Source, SourceRules, Sources

JSON_TYPES = ("application/fhir+json", "application/json")
TYPES = (*JSON_TYPES, "text/csv")
router = APIRouter()


@router.put("/v1/directory")
async def put_directory(
    request: Request, transactions: Database, _caller: Coordinator, source: SourceId = None
) -> dict[str, Any]:
    """
    Take in physicians from a FHIR Bundle or CSV file, and go on with the incidents that waited for them.

    `source` says whose references and identifier systems the file uses; without it, those of all sources.
    Nobody is ever removed. `resolved` counts people who are now known.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in TYPES:
        raise Problem(415, "wrong-type", field="content-type")
    named = source_named(transactions, source) if source else None
    entries, faults = await _read(transactions.get(Sources), named, await request.body())
    source_ids = [named.id] if named else [each.id for each in transactions.get(Sources).sources]
    loaded, resolved = await _load(transactions, entries, source_ids)
    refused = [RowFault(0, "identifier", "several-people") for _ in loaded.refused]
    return {
        "entries": len(entries) - len(refused),
        "new": loaded.new,
        "changed": loaded.changed,
        "faults": faults_of([*faults, *refused]),
        "resolved": resolved,
    }


async def _load(
    transactions: Transactions, entries: Sequence[DirectoryEntry], source_ids: Sequence[str]
) -> tuple[Loaded, int]:
    async with transactions.begin() as work:
        loaded = await load(work, entries, source_ids)
        waiting = await referrals.unresolved_ids(work.connection, loaded.names)
    # Marked incidents are also found by the round, should this process end here.
    await rounds.run(transactions)
    async with transactions.begin() as work:
        await incidents.change_directory(work.connection)  # after what the round is just looking at
        return loaded, await referrals.count_settled(work.connection, waiting)


async def _read(sources: Sources, named: Source | None, body: bytes) -> tuple[list[DirectoryEntry], list[RowFault]]:
    rules = named.rules(b"") if named else common_rules(sources)
    layout = (named.directory if named else None) or DirectoryTable()
    try:
        # A directory of a whole hospital takes longer to read than others may wait.
        return await asyncio.to_thread(read_directory, body, source=rules, layout=layout)
    except UnreadableReport as fault:
        problem = unreadable(fault)
    raise problem


def common_rules(sources: Sources) -> SourceRules:
    """How to read a directory that belongs to no source: by what all sources agree on."""
    pairs = {pair for source in sources.sources for pair in source.identifier_systems.items()}
    systems = [system for system, _ in pairs]
    bases = {source.fhir_base.rstrip("/") for source in sources.sources if source.fhir_base}
    return SourceRules(
        source_id="directory",
        zone=ZoneInfo("UTC"),
        identifier_systems={system: ours for system, ours in pairs if systems.count(system) == 1},
        fhir_base=bases.pop() if len(bases) == 1 else None,
    )
