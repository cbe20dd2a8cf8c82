"""HTTP defaults: tokens, problems that never echo a value, headers, limits."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import asyncpg
import httpx
import pytest
from chassis import http
from chassis.http import Caller, Problem, Tokens, public, require
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel

SECRET = "Quillfeather"


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    tokens = tmp_path / "tokens.json"
    entries = [
        {"name": role, "role": role, "sha256": hashlib.sha256(f"{role}-token".encode()).hexdigest()}
        for role in ("coordinator", "operator")
    ]
    tokens.write_text(json.dumps(entries))
    app = FastAPI()
    app.state.tokens = Tokens(tokens)
    http.install(app, body_limit=1000)

    @app.get("/open", dependencies=[Depends(public)])
    async def open_route() -> dict[str, str]:
        return {"open": "yes"}

    @app.post("/people")
    async def people(person: Person, caller: Annotated[Caller, Depends(require("coordinator"))]) -> dict[str, str]:
        if person.age > 200:
            raise Problem(422, "too-old", field="age")
        if person.age > 100:
            raise RuntimeError(person.name)
        return {"caller": caller.name}

    @app.post("/moves", dependencies=[Depends(public)])
    async def moves(body: dict[str, int]) -> dict[str, int]:
        app.state.tries += 1
        if app.state.tries <= body["fails"]:
            raise asyncpg.DeadlockDetectedError(SECRET)
        return {"taken": body["fails"]}

    app.state.tries = 0
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer coordinator-token"}
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)


async def test_a_route_needs_a_token_of_its_role(client: httpx.AsyncClient) -> None:
    person = {"name": "A", "age": 1}

    nobody = await client.post("/people", json=person, headers={"authorization": ""})
    stranger = await client.post("/people", json=person, headers={"authorization": "Bearer wrong"})
    operator = await client.post("/people", json=person, headers={"authorization": "Bearer operator-token"})
    coordinator = await client.post("/people", json=person)

    assert [answer.status_code for answer in (nobody, stranger, operator, coordinator)] == [401, 401, 403, 200]


async def test_a_wrong_field_is_named_and_its_value_is_not(client: httpx.AsyncClient) -> None:
    answer = await client.post("/people", json={"name": "A", "age": SECRET})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == "age"
    assert SECRET not in answer.text


async def test_what_is_not_json_is_said_to_be_so(client: httpx.AsyncClient) -> None:
    answer = await client.post("/people", content=b"{" + SECRET.encode(), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (422, "not-json")
    assert SECRET not in answer.text


async def test_an_unexpected_error_says_nothing_of_its_cause(client: httpx.AsyncClient) -> None:
    answer = await client.post("/people", json={"name": SECRET, "age": 150})

    assert answer.status_code == 503
    assert SECRET not in answer.text


async def test_a_request_whose_transaction_gave_way_is_served_once_more(client: httpx.AsyncClient) -> None:
    answer = await client.post("/moves", json={"fails": 1})

    assert (answer.status_code, answer.json()) == (200, {"taken": 1})


async def test_a_request_that_gives_way_twice_is_told_when_to_come_again(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    answer = await client.post("/moves", json={"fails": 9})

    assert (answer.status_code, answer.json()["code"]) == (503, "not-now")
    assert int(answer.headers["retry-after"]) > 0
    assert SECRET not in answer.text
    assert app.state.tries == 2


async def test_a_body_above_the_limit_is_refused_even_without_a_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b"x" * 100

    declared = await client.post("/people", content=b"x" * 1001)
    streamed = await client.post("/people", content=chunks())  # type: ignore[arg-type]  # an async generator will do

    assert [declared.status_code, streamed.status_code] == [413, 413]


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/open"), await client.get("/nowhere"), await client.post("/people", json={})):
        assert http.SECURITY_HEADERS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_unguarded_route_keeps_a_service_from_starting(app: FastAPI, depth: int) -> None:
    http.refuse_unguarded(app)
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    for _ in range(depth):
        outer = APIRouter()
        outer.include_router(router)
        router = outer
    app.include_router(router)

    with pytest.raises(LookupError, match="/forgotten"):
        http.refuse_unguarded(app)
