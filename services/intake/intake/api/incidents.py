"""What a coordinator needs to see of an incident in order to act on its item of the worklist."""

from typing import Any
from uuid import UUID

from chassis.http import Problem
from fastapi import APIRouter

from intake import casework
from intake.api.doors import Coordinator, Database
from intake.domain.book import Book, Incident
from intake.domain.incident import Participant
from intake.receipts import in_utc
from intake.repository import incidents

router = APIRouter()


@router.get("/v1/incidents/{incident_key}")
async def show_incident(incident_key: UUID, transactions: Database, _caller: Coordinator) -> dict[str, Any]:
    """An incident by the subject of its item: the source's own identifier, and whom it names in which words."""
    async with transactions.begin() as work:
        await incidents.hold_directory(work.connection)
        source = await incidents.source_of(work.connection, incident_key)
        if source is None:
            raise Problem(404, "unknown-incident")
        book = await casework.book_of_incident(work, incident_key, source)
    incident = book.incidents[incident_key]
    return {
        "incident_id": incident.report.incident_id,
        "source": incident.source,
        "received_at": in_utc(incident.received_at),
        "retracted": incident.report.retracted,
        "people": [_shown(book, incident, person) for person in incident.report.participants],
    }


def _shown(book: Book, incident: Incident, participant: Participant) -> dict[str, Any]:
    names = book.names_of(participant, incident)
    person = book.directory.one_known_as(names)
    theirs = book.referrals_of(incident, names, person) if names else []
    return {
        "identifiers": [{"system": i.system, "value": i.value} for i in participant.identifiers],
        "references": list(participant.references),
        "involvement": participant.involvement.value,
        "known": person is not None,
        "referral_id": theirs[0].referral_id if theirs else None,
        "standing": theirs[0].standing.value if theirs else None,
    }
