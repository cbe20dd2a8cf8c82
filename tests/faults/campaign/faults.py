"""Each fault brings something about and heals it by itself."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import psutil
from chassis import THE_WORLD
from peerline.events import Topic
from peerline_local.processes import Process

from tests.faults.campaign.ground import Ground, port_of, restarted
from tests.faults.campaign.plan import Fault, Kind, Plan
from tests.faults.campaign.records import CONSUMERS, Writer
from tests.support.scripted_smtp import Act

STARTS = 90.0  # seconds within which a program that was ended runs again
BAD_MAIL = {
    Act.RESET: 0.1,
    Act.GREET_421: 0.1,
    Act.NEVER_GREET: 0.05,
    Act.TRICKLE: 0.05,
    Act.RCPT_451: 0.12,
    Act.RCPT_550: 0.05,
    Act.DATA_451: 0.08,
    Act.CUT_IN_DATA: 0.08,
    Act.CUT_BEFORE_250: 0.08,
    Act.CUT_AFTER_250: 0.08,
    Act.HANG_AFTER_DATA: 0.04,
    Act.SLOW: 0.2,
}
"""What the mail server does while it misbehaves."""


@dataclass
class Done:
    """A fault that was brought about: from when to when (seconds since 1970), and whether there was anything to it."""

    fault: Fault
    began: float
    healed: float = 0.0
    note: str = ""


class Faults:
    """Brings faults about."""

    def __init__(self, ground: Ground, plan: Plan, writer: Writer) -> None:
        self._ground = ground
        self._plan = plan
        self._writer = writer
        self.done: list[Done] = []
        self.seconds: list[str] = []
        """Further processes that were started, by name."""
        self._kinds: dict[Kind, Callable[[Fault, random.Random], Awaitable[str]]] = {
            Kind.KILL: self._kill,
            Kind.RESTART: self._restart,
            Kind.FREEZE: self._freeze,
            Kind.BROKER: self._kill_broker,
            Kind.DATABASE: self._end_database,
            Kind.CUT: self._cut,
            Kind.DELAY: self._delay,
            Kind.MAIL: self._misdeliver,
            Kind.MAIL_AWAY: self._take_mail_away,
            Kind.JOIN: self._join,
            Kind.ZOMBIE: self._zombie,
            Kind.RECORDS: self._write_records,
        }

    async def bring(self, fault: Fault) -> None:
        """Bring a fault about when its time has come, and heal it."""
        await asyncio.sleep(fault.at)
        done = Done(fault, time.time())
        self.done.append(done)
        try:
            done.note = await self._kinds[fault.kind](fault, self._plan.dice("fault", fault.number))
        except (*THE_WORLD, httpx.HTTPError, psutil.Error) as error:
            # Another fault was in the way: that is one fault still, of both together.
            done.note = f"in another's way: {type(error).__name__}"
        done.healed = time.time()

    async def _end(self, name: str, number: signal.Signals) -> str:
        """End a program, and wait until its supervisor has started it again."""
        former = self._ground.pid(name)
        if not psutil.pid_exists(former) or psutil.Process(former).status() == psutil.STATUS_ZOMBIE:
            return "was down already"
        self._ground.strike(name, number)
        again = await asyncio.to_thread(restarted, self._ground, name, former, STARTS)
        return "" if again else "NOT STARTED AGAIN"

    async def _kill(self, fault: Fault, _dice: random.Random) -> str:
        return await self._end(fault.service, signal.SIGKILL)

    async def _restart(self, fault: Fault, dice: random.Random) -> str:
        """One of a rolling restart: what a newer neighbour writes is there before."""
        with contextlib.suppress(*THE_WORLD):
            await self._writer.strange(dice)
        return await self._end(fault.service, signal.SIGTERM)

    async def _freeze(self, fault: Fault, _dice: random.Random) -> str:
        pid = self._ground.strike(fault.service, signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).send_signal(signal.SIGCONT)
        return ""

    async def _kill_broker(self, _fault: Fault, _dice: random.Random) -> str:
        return await self._end("Kafka", signal.SIGKILL)

    async def _end_database(self, _fault: Fault, _dice: random.Random) -> str:
        return await self._end("PostgreSQL", signal.SIGQUIT)  # its name for an immediate shutdown

    async def _cut(self, fault: Fault, dice: random.Random) -> str:
        which = dice.choice(["database", "database", "broker"])
        for _ in range(3):
            self._ground.proxies[which].obey("cut")
            await asyncio.sleep(fault.seconds / 3)
        return which

    async def _delay(self, fault: Fault, dice: random.Random) -> str:
        which = dice.choice(["database", "broker"])
        self._ground.proxies[which].obey(f"delay {dice.choice([20, 60, 150])}")
        await asyncio.sleep(fault.seconds)
        self._ground.proxies[which].obey("pass")
        return which

    async def _misdeliver(self, fault: Fault, _dice: random.Random) -> str:
        self._ground.mail.script.chances = dict(BAD_MAIL)
        await asyncio.sleep(fault.seconds)
        self._ground.mail.script.chances = {}
        return ""

    async def _take_mail_away(self, fault: Fault, _dice: random.Random) -> str:
        await self._ground.mail.go_away()
        await asyncio.sleep(fault.seconds)
        await self._ground.mail.listen()
        return ""

    async def _write_records(self, _fault: Fault, dice: random.Random) -> str:
        await self._writer.repeat(dice, dice.randint(5, 40))
        await self._writer.strange(dice)
        return ""

    async def _join(self, fault: Fault, dice: random.Random) -> str:
        """A rebalance, and another; the second process goes as asked, or is killed."""
        second = await self._start_second(fault)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await asyncio.to_thread(second.kill if dice.random() < 0.5 else second.stop)
        return ""

    async def _zombie(self, fault: Fault, dice: random.Random) -> str:
        """The first process freezes with a batch in hand, a second takes it over, and the first wakes with the batch."""
        second = await self._start_second(fault)
        pid = self._ground.pid(fault.service)
        topics = tuple(str(topic) for topic in CONSUMERS[fault.service].topics if topic is not Topic.ADVERSE_EVENTS)
        try:
            await self._writer.repeat(dice, 150, topics)
            self._ground.proxies["database"].obey("delay 150")  # between reading a batch and moving its position
            try:
                await self._writer.parked(dice, topics)
                await asyncio.sleep(dice.uniform(0, 0.3))
                psutil.Process(pid).send_signal(signal.SIGSTOP)
            finally:
                self._ground.proxies["database"].obey("pass")
            await asyncio.sleep(fault.seconds)
        finally:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).send_signal(signal.SIGCONT)
            await asyncio.sleep(2)
            await asyncio.to_thread(second.stop)
        return ""

    async def _start_second(self, fault: Fault) -> Process:
        second = self._ground.second(fault.service, 100 + fault.number)
        await asyncio.to_thread(second.start)
        self.seconds.append(second.program.name)
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            for _ in range(100):
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"http://127.0.0.1:{port_of(second)}/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.2)
        return second
