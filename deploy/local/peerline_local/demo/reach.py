"""Where a running stack is reached, and with which tokens: from the home's state and secrets."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from peerline_local import keys
from peerline_local.errors import StackError
from peerline_local.home import Home
from peerline_local.running import state_of

_TIMEOUT_SECONDS = 20.0


@cache
def tls() -> ssl.SSLContext:
    """What every client is given: to make one reads all certificates there are, and here nothing is encrypted."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Reach:
    """The addresses of one running stack."""

    home: Home
    urls: dict[str, str]
    kafka_bootstrap: str

    @classmethod
    def of(cls, home: Home) -> Reach:
        """Read the addresses of the stack that runs from this home; StackError where none does."""
        state = state_of(home)
        if state is None or not state.get("ready"):
            raise StackError(f"no stack runs from {home.path}: start one with peerline up")
        return cls(home, state["urls"], state["kafka_bootstrap"])

    def client(self, service: str, role: str = "coordinator") -> httpx.AsyncClient:
        """Return a client of one service that carries a role's token."""
        return httpx.AsyncClient(
            base_url=self.urls[service],
            headers={"authorization": f"Bearer {keys.token(self.home, role)}"},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=tls(),
        )

    async def ask(self, service: str, method: str, path: str, *, role: str = "coordinator", **what: Any) -> Any:
        """Return the JSON that a service answers; StackError, in a line, for anything but 2xx."""
        return (await self.answer(service, method, path, role=role, **what)).json()

    async def answer(
        self, service: str, method: str, path: str, *, role: str = "coordinator", **what: Any
    ) -> httpx.Response:
        """Return what a service answers; StackError, in a line, for anything but 2xx."""
        async with self.client(service, role) as client:
            try:
                response = await client.request(method, path, **what)
            except httpx.HTTPError as error:
                raise StackError(f"{service} does not answer: {type(error).__name__}") from None
        if response.is_success:
            return response
        raise StackError(f"{service} refused it: {refusal(response)}")

    async def metrics(self) -> dict[str, str]:
        """Return what each service says of itself at /metrics."""
        said = {}
        for service in self.urls.keys() - {"mailbox"}:
            async with self.client(service, "operator") as client:
                said[service] = (await client.get("/metrics")).text
        return said


def refusal(response: httpx.Response) -> str:
    """Return what an answer says was wrong: status, code, and the field where it names one."""
    try:
        problem = response.json()
        place = f" ({problem['field']})" if problem.get("field") else ""
        return f"{response.status_code} {problem['code']}{place}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(response.status_code)
