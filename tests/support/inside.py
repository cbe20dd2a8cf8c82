"""What the commands of `peerline` talk to, where the service runs inside the test."""

from dataclasses import dataclass

import httpx
from peerline_local.demo.reach import Reach
from peerline_local.home import Home

from tests.support.workplace import Running, Workplace


@dataclass(frozen=True)
class Inside(Reach):
    """Reaches one service, whichever is asked for, without a network in between."""

    place: Workplace
    running: Running

    def client(self, service: str, role: str = "coordinator") -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.running.app),
            base_url=f"http://{service}",
            headers={"authorization": f"Bearer {self.place.tokens[role]}"},
        )


def reach_of(place: Workplace, running: Running) -> Reach:
    """The reach of a service of this workplace."""
    return Inside(Home.at(place.folder), {}, place.servers.bootstrap, place, running)
