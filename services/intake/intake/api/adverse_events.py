"""The webhook of incident systems. An answer of 2xx means that what it says is committed."""

from chassis import Transactions, UnitOfWork, telemetry
from chassis.http import Problem, public
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from intake.api.doors import Database, DryRun, SourceId, count, in_transaction
from intake.deliveries import CONFLICT, Deliveries, Delivery, Taken, decide
from intake.repository.records import AnswerRecord
from intake.signatures import WebhookSecrets
from intake.sources import Source, Sources

BODY_LIMIT = 1024 * 1024
ACCEPTED = 202
router = APIRouter()


@router.post("/v1/adverse-events", status_code=ACCEPTED, dependencies=[Depends(public)])
async def take_delivery(
    request: Request, transactions: Database, source: SourceId = None, dry_run: DryRun = False
) -> JSONResponse:
    """
    Take a signed delivery: a FHIR AdverseEvent, a Bundle, or Peerline's own report.

    The same delivery again is answered the same. 401 for a signature that is not its source's or not of these
    minutes, 409 for a report that contradicts its incident, 413, 422 with code and field.
    """
    body = await request.body()
    signed_by = _sender(transactions, source or request.headers.get("peerline-source", ""), request, body)
    if len(body) > BODY_LIMIT:
        raise Problem(413, "too-large")
    delivery = Delivery(signed_by, request.headers, body, telemetry.traceparent())
    if dry_run or signed_by.test:
        answer = await _rehearse(transactions, delivery)
    else:
        taken = await transactions.get(Deliveries).take(transactions, delivery)
        count("webhook", taken.verdicts)
        answer = taken.answer
    if answer.status == CONFLICT:
        raise Problem(CONFLICT, "conflicting-report", field="incident_id")
    return JSONResponse(answer.body, answer.status)


def _sender(transactions: Transactions, source_id: str, request: Request, body: bytes) -> Source:
    """The source that signed this; one answer for every reason why none did. Asks no database: anybody may ask."""
    is_signed = transactions.get(WebhookSecrets).verify(source_id, body, request.headers)
    source = transactions.get(Sources).get(source_id)
    if not is_signed or source is None:
        raise Problem(401, "not-signed")
    return source


async def _rehearse(transactions: Transactions, delivery: Delivery) -> AnswerRecord:
    async def take(work: UnitOfWork) -> AnswerRecord:
        (outcome,) = await decide(work, [delivery])
        if not isinstance(outcome, Taken):
            raise outcome
        again = {} if not outcome.verdicts else {"rehearsed": True}
        return AnswerRecord(status=outcome.answer.status, body=outcome.answer.body | again)

    return await in_transaction(transactions, take, rehearse=True)
