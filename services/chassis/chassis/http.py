"""HTTP defaults: tokens on every route that is not public, problem+json, headers, a limit on bodies."""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from asyncpg import TransactionRollbackError
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics, telemetry
from chassis.failures import cause_of
from chassis.log import logger
from chassis.outbox import EventTooLarge
from chassis.work import Transactions

log = logger("chassis")
BODY_LIMIT = 1024 * 1024
RETRY_AFTER = 5  # seconds
DRAINED = 8  # times the limit are read and dropped, so that a client gets its 413 and no broken pipe
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Problem(Exception):
    """An answer that is an error: a status, a code, and the name of the field at fault, never a value."""

    def __init__(self, status: int, code: str, *, field: str | None = None, title: str | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.field, self.title = status, code, field, title


class Token(BaseModel):
    """An entry of the tokens file: whose token it is and the SHA-256 of it, in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: str
    sha256: str


@dataclass(frozen=True)
class Caller:
    """Who calls: the name and role of a token."""

    name: str
    role: str


class Tokens:
    """The tokens that may call; comparison takes the same time for any that may not."""

    def __init__(self, path: Path) -> None:
        self._tokens = TypeAdapter(list[Token]).validate_json(path.read_bytes())

    def caller(self, token: str) -> Caller | None:
        """Whose token this is, or None."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = [entry for entry in self._tokens if hmac.compare_digest(entry.sha256, digest)]
        return Caller(found[0].name, found[0].role) if found else None


_GUARDS: set[Callable[..., Any]] = set()
_bearer = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def require(*roles: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the caller, or answers 401 without a token and 403 with another role's."""

    async def check(request: Request, credentials: Credentials) -> Caller:  # in a thread, if it were not async
        tokens: Tokens = request.app.state.tokens
        caller = tokens.caller(credentials.credentials) if credentials else None
        if caller is None:
            raise Problem(401, "no-valid-token")
        if caller.role not in roles:
            raise Problem(403, "not-this-role")
        return caller

    _GUARDS.add(check)
    return check


async def public() -> None:
    """A dependency that says: this route needs no token, on purpose."""


_GUARDS.add(public)


async def transactions_of(request: Request) -> Transactions:
    """The service's transactions, as a dependency; 503 until the database was reached."""
    transactions: Transactions | None = getattr(request.app.state, "transactions", None)
    if transactions is None:
        raise Problem(503, "starting")
    return transactions


def refuse_unguarded(app: FastAPI) -> None:
    """Raise LookupError for a route that neither requires a token nor says that it is public."""
    for route in iter_route_contexts(app.routes):  # those of its routers too, which do not stand among its own
        if isinstance(route.original_route, APIRoute) and not _guarded(route):
            raise LookupError(f"{route.path} has neither require() nor public")


def _guarded(route: RouteContext) -> bool:
    return any(dependency.call in _GUARDS for dependency in route.dependant.dependencies)


def install(app: FastAPI, *, body_limit: int = BODY_LIMIT) -> None:
    """Give an app the defaults."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(EventTooLarge, _too_large)
    app.add_middleware(Edge, body_limit=body_limit)


def _answer(status: int, code: str, field: str | None = None, title: str | None = None) -> JSONResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title or code.replace("-", " "),
        "status": status,
        "code": code,
    }
    if field:
        body["field"] = field
    return JSONResponse(body, status, media_type="application/problem+json")


def _problem(_request: Request, error: Exception) -> JSONResponse:
    problem = cast(Problem, error)
    return _answer(problem.status, problem.code, problem.field, problem.title)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Where the request is wrong, without what stood there."""
    faults: Sequence[Any] = cast(RequestValidationError, error).errors()
    place = [str(part) for part in faults[0]["loc"] if part != "body"] if faults else []
    code = (
        {"json_invalid": "not-json", "missing": "missing-field"}.get(faults[0]["type"], "wrong-value")
        if faults
        else "wrong-value"
    )
    return _answer(
        422, code, ".".join(part for part in place if part.replace("_", "").replace("-", "").isalnum()) or None
    )


def _http(_request: Request, error: Exception) -> JSONResponse:
    status = cast(HTTPException, error).status_code
    return _answer(status, {404: "not-found", 405: "method-not-allowed"}.get(status, "refused"))


def _too_large(_request: Request, _error: Exception) -> JSONResponse:
    """What was asked makes an event that no topic takes; nothing of it was written, and a repeat would fare the same."""
    return _answer(413, "too-large")


def _unexpected(error: Exception) -> JSONResponse:
    """503 whatever it was: what a sender keeps is not lost, and it may well be taken the next time."""
    log.error("request_failed", error=type(error).__name__, kind=cause_of(error))
    answer = _answer(503, "not-now")
    answer.headers["retry-after"] = str(RETRY_AFTER)
    return answer


class Edge:
    """The outermost layer: headers on every answer, 413 above the limit, time and span by route template."""

    def __init__(self, app: ASGIApp, body_limit: int) -> None:
        self._app = app
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            received = await _read(receive, self._limit)
        except _TooLarge:
            await _answer(413, "too-large")(scope, receive, answer)
            return
        started = time.perf_counter()
        with telemetry.span("http request", method=scope["method"]) as current:
            try:
                await self._serve(scope, received, receive, answer)
            except Exception as error:  # noqa: BLE001  answered here, so that headers and figures hold for it too
                await _unexpected(error)(scope, receive, answer)
            route = getattr(scope.get("route"), "path", "none")  # the template: a path may hold a token
            current.set_attribute("http.route", route)
            current.set_attribute("http.response.status_code", answer.status)
        metrics.HTTP_SECONDS.labels(route, str(answer.status)).observe(time.perf_counter() - started)

    async def _serve(self, scope: Scope, received: Message, receive: Receive, answer: "_Answer") -> None:
        """Once more where two transactions waited for each other and this one gave way: nothing was written."""
        try:
            await self._app(scope, _again(received, receive), answer)
        except TransactionRollbackError:
            if answer.started:
                raise
            await self._app(scope, _again(received, receive), answer)


class _TooLarge(Exception):
    pass


async def _read(receive: Receive, limit: int) -> Message:
    """The whole body, at most `limit` bytes, as one message."""
    chunks, size, message = [], 0, cast(Message, {"more_body": True})
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return message
        size += len(message.get("body", b""))
        if size > limit * DRAINED:
            raise _TooLarge
        if size <= limit:
            chunks.append(message.get("body", b""))
    if size > limit:
        raise _TooLarge
    return {"type": "http.request", "body": b"".join(chunks), "more_body": False}


def _again(first: Message, receive: Receive) -> Receive:
    """A message that was received already, and then what comes."""
    messages = [first]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


class _Answer:
    """Sends an answer on with the security headers, and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.started = True
            given = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = list(message.get("headers", [])) + [
                (name.encode(), value.encode())
                for name, value in SECURITY_HEADERS.items()
                if name.encode() not in given
            ]
        await self._send(message)
