"""The webhook of incident systems. An answer of 2xx means that what it says is committed."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

from chassis import Transactions, UnitOfWork
from chassis.http import Problem, public
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from intake import casework, keys
from intake.api.doors import Database, DryRun, SourceId, count, decided, in_transaction, unreadable
from intake.casework import Verdict
from intake.readers.fhir import UnreadableReport, read_report
from intake.receipts import receipt_of_all
from intake.repository import incidents, referrals
from intake.repository.records import AnswerRecord
from intake.signatures import WebhookSecrets, is_recent
from intake.sources import Source, Sources

BODY_LIMIT = 1024 * 1024
ACCEPTED, CONFLICT = 202, 409
router = APIRouter()


@router.post("/v1/adverse-events", status_code=ACCEPTED, dependencies=[Depends(public)])
async def take_delivery(
    request: Request, transactions: Database, source: SourceId = None, dry_run: DryRun = False
) -> JSONResponse:
    """
    Take a signed delivery: a FHIR AdverseEvent, a Bundle, or Peerline's own report.

    The same delivery again is answered the same. 401 for a signature that is not its source's, 409 for a
    report that contradicts its incident, 413, 422 with code and field.
    """
    body = await request.body()
    signed_by = await _sender(transactions, source or request.headers.get("peerline-source", ""), request, body)
    if len(body) > BODY_LIMIT:
        raise Problem(413, "too-large")
    delivery = Delivery(transactions, signed_by, request.headers["webhook-id"], body)
    answer = await delivery.take(rehearse=dry_run or signed_by.test)
    if answer.status == CONFLICT:
        raise Problem(CONFLICT, "conflicting-report", field="incident_id")
    return JSONResponse(answer.body, answer.status)


async def _sender(transactions: Transactions, source_id: str, request: Request, body: bytes) -> Source:
    """The source that signed this just now, by the database's clock; one answer for every reason why none did."""
    is_signed = transactions.get(WebhookSecrets).verify(source_id, body, request.headers)
    source = transactions.get(Sources).get(source_id)
    if not is_signed or source is None:  # found out without the database: anybody may ask
        raise Problem(401, "not-signed")
    async with transactions.begin() as work:
        now = work.now
    if not is_recent(request.headers, now):
        raise Problem(401, "not-signed")
    return source


class Delivery:
    """One delivery of a source, known by its webhook id and body."""

    def __init__(self, transactions: Transactions, source: Source, webhook_id: str, body: bytes) -> None:
        self._transactions = transactions
        self._source = source
        self._webhook_id = webhook_id
        self._body = body
        self._earlier: AnswerRecord | None = None

    async def take(self, *, rehearse: bool) -> AnswerRecord:
        """Take it, or give the answer that it was given before."""
        verdicts = await in_transaction(self._transactions, self._decide, rehearse=rehearse)
        if self._earlier:
            return self._earlier
        if rehearse:
            return _rehearsed(verdicts)
        count("webhook", verdicts)
        return _answer(verdicts)

    async def _decide(self, work: UnitOfWork) -> list[Verdict]:
        key, digest = self._names(work)
        reports = await self._read(work)
        await incidents.hold_directory(work.connection)
        known = await referrals.claim_answer(work.connection, work.vault, key)
        if known and known[0] == digest:
            self._earlier = known[1]
            return []
        verdicts = await decided(work, self._source, reports)
        # A sender that gives another body the same id has made a mistake that must not cost a physician.
        if known is None:
            await referrals.save_answer(work.connection, work.vault, key, digest=digest, answer=_answer(verdicts))
        return verdicts

    def _names(self, work: UnitOfWork) -> tuple[UUID, UUID]:
        key = keys.answer_key(work.ids, f"webhook/{self._source.id}", self._webhook_id)
        return key, keys.digest_of(work.ids, hashlib.sha256(self._body).hexdigest())

    async def _read(self, work: UnitOfWork) -> list[Any]:
        """In a thread: a large Bundle takes a fifth of a second."""
        rules = casework.rules_of(work, self._source)
        try:
            return await asyncio.to_thread(read_report, self._body, source=rules, arrived_at=work.now)
        except UnreadableReport as fault:
            problem = unreadable(fault)
        raise problem


def _answer(verdicts: list[Verdict]) -> AnswerRecord:
    """202 if anything was taken; what contradicts its incident then stands on the worklist and in the receipt."""
    taken = any(verdict.taken for verdict in verdicts)
    return AnswerRecord(status=ACCEPTED if taken else CONFLICT, body=receipt_of_all(verdicts))


def _rehearsed(verdicts: list[Verdict]) -> AnswerRecord:
    answer = _answer(verdicts)
    return AnswerRecord(status=answer.status, body=answer.body | {"rehearsed": True})
