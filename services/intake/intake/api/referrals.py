"""Referrals that a coordinator enters or takes back."""

from typing import Annotated, Any
from uuid import UUID

from chassis.http import Problem
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from intake import entering
from intake.api.doors import Coordinator, Database
from intake.entering import Refusal
from intake.metrics import REQUESTS

Text = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
router = APIRouter()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class IdentifierBody(_Body):
    """A business identifier of a person."""

    system: Annotated[str, Field(max_length=200)]
    value: Text


class PersonBody(_Body):
    """Somebody by an identifier that the directory knows, or described: a name and how to reach them."""

    system: Annotated[str, Field(max_length=200)] | None = None
    value: Text | None = None
    name: Text | None = None
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = None
    phone: Annotated[str, Field(pattern=r"^[+0-9][0-9 ().x/-]{3,40}$")] | None = None
    zone: Text | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    attributes: dict[Code, Text] = {}


class RequestBody(_Body):
    """A request: who, through which door, when it was made, and the caller's own id of it."""

    programme: Code | None = None
    door: Code
    person: PersonBody
    received_at: AwareDatetime
    reason: Code | None = None
    request_id: Text
    referrer: IdentifierBody | None = None
    """Who asked for a colleague: never asked to be the supporter."""
    preferences: dict[Code, Text] = {}


@router.post("/v1/referrals", status_code=201)
async def enter_request(body: RequestBody, transactions: Database, _caller: Coordinator) -> JSONResponse:
    """
    Enter a request. 201 with the referral, or 200 where the answer is another: redirect, crisis, not-eligible.

    The same request again is answered the same; another one under its id is refused with 409.
    """
    try:
        async with transactions.begin() as work:
            answer = await entering.enter(work, body.request_id, body.model_dump(mode="json"), _asked(body))
    except Refusal as refusal:
        problem = Problem(refusal.status, refusal.code, field=refusal.field)
    else:
        REQUESTS.labels(answer.body["outcome"]).inc()
        return JSONResponse(answer.body, answer.status)
    raise problem


@router.post("/v1/referrals/{referral_id}/withdraw")
async def withdraw(referral_id: UUID, transactions: Database, _caller: Coordinator) -> dict[str, Any]:
    """The physician wants to be left alone: their case is taken back, with everything that joined it."""
    async with transactions.begin() as work:
        taken_back = await entering.withdraw(work, referral_id)
    if taken_back is None:
        raise Problem(404, "unknown-referral")
    return {"referral_id": referral_id, "outcome": "withdrawn" if taken_back else "already-ended"}


@router.post("/v1/referrals/{referral_id}/reseal")
async def reseal(referral_id: UUID, transactions: Database, _caller: Coordinator) -> dict[str, Any]:
    """What another service could not open is published once more, under the keys of this week; 409 if it is over."""
    async with transactions.begin() as work:
        said = await entering.say_again(work, referral_id)
    if not said:
        raise Problem(404, "unknown-referral") if said is None else Problem(409, "nothing-to-seal")
    return {"referral_id": referral_id, "outcome": "resealed"}


def _asked(body: RequestBody) -> entering.Asked:
    person = body.person
    return entering.Asked(
        programme=body.programme,
        door=body.door,
        received_at=body.received_at,
        reason=body.reason,
        identifier=(person.system or "", person.value) if person.value else None,
        described=entering.Described(
            person.name, person.email, person.phone, person.zone, person.language, dict(person.attributes)
        ),
        referrer=(body.referrer.system, body.referrer.value) if body.referrer else None,
        preferences=dict(body.preferences),
    )
