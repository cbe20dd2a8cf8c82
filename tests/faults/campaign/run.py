"""A whole campaign: people, stream and faults at once, then rest, then everything is looked at."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
from peerline.events import ReferralCreated, ReferralJoined

from tests.faults.campaign.checks import Clocks, Evidence, Finding, Is, check
from tests.faults.campaign.faults import Done, Faults
from tests.faults.campaign.ground import Ground, ground
from tests.faults.campaign.people import Desk, Supporters
from tests.faults.campaign.plan import SERVICES, Fault, Plan
from tests.faults.campaign.readiness import lag, why_unready
from tests.faults.campaign.records import Writer, readers
from tests.faults.campaign.report import RECOVERED_WITHIN, Report
from tests.faults.campaign.reports import Report as Sent
from tests.faults.campaign.reports import probe_of, report_of
from tests.faults.campaign.stream import Stream
from tests.faults.campaign.topics import SET_ASIDE, Seals, Tail, Topics, read_all

GIVES_UP = 150.0  # seconds after which a recovery is not waited for any longer
RESTS = 240.0  # seconds within which all must have come to rest
QUIET = 3.0  # seconds without an event
LOOKS = 1.5  # seconds between two looks; lag is measured once a second
UNSENT = ("planned", "sending", "refused")
ASKED_CLOCKS = 150
ENDED_BY_US = (-9, -15, 0, 2)
"""Codes of programs that were killed, or did as they were told."""
Say = Callable[[str], None]


def run(plan: Plan, folder: Path, say: Say = print) -> Report:
    """Run a campaign in a folder of its own."""
    began = time.monotonic()
    say(f"campaign: seed {plan.seed}, {plan.faults} faults in {len(plan.volleys)} volleys, {plan.referrals} referrals")
    with _without_client_logs(), ground(folder, plan.seed) as place:
        say(f"all services ready after {time.monotonic() - began:.0f} s")
        report = asyncio.run(Campaign(place, plan, say).run())
    report.seconds = time.monotonic() - began
    return report


@contextlib.contextmanager
def _without_client_logs() -> Iterator[None]:
    """Our own Kafka clients say much of faults that we bring about."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class Campaign:
    """One campaign on its ground."""

    def __init__(self, place: Ground, plan: Plan, say: Say) -> None:
        self._ground = place
        self._plan = plan
        self._say = say
        self._seals = Seals(place.home)
        self._stream = Stream(place, plan)
        self._tail = Tail(place.bootstrap, self._seals)
        self._supporters = Supporters(place, plan)
        self._desk = Desk(place, plan, self._stream, self._tail)
        self._writer = Writer(place, self._tail, self._desk)
        self._faults = Faults(place, plan, self._writer)
        self._volley = 0
        self._next = 0
        self._recoveries: list[float] = []
        self._disturbed = [(0.0, time.time())]
        """Starting counts: groups and coordinators have yet to be made."""

    async def run(self) -> Report:
        """Everything; nothing is left running."""
        self._ground.mail.kept = self._supporters.read
        await self._ground.mail.listen()
        await self._stream.load_people(self._most, len(self._plan.volleys) + 1)
        tasks = [asyncio.create_task(work) for work in (self._tail.follow(), self._desk.work(), self._feed())]
        try:
            for number, volley in enumerate(self._plan.volleys):
                self._volley = number
                await self._strike(volley)
            self._volley = len(self._plan.volleys)
            await tasks[-1]
            rested = await self._rest()
            return await self._look(rested)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._supporters.stop()
            await self._stream.close()
            await self._desk.close()
            await self._ground.mail.go_away()

    @property
    def _most(self) -> int:
        return int(self._plan.referrals * 1.05) + 50

    # --- while it runs -----------------------------------------------------------------------------

    async def _feed(self) -> None:
        """Hand in at a pace that spreads the referrals over the volleys, and no more than is being answered."""
        late_loaded = False
        while self._stream.handed_in < self._plan.referrals:
            await asyncio.sleep(1 / self._plan.rate)
            share = (self._volley + 1) / max(len(self._plan.volleys), 1)
            held_up = self._tail.waiting + self._stream.busy > self._plan.coming
            if self._stream.handed_in < min(share, 1) * self._plan.referrals and not held_up:
                self._stream.hand_in(report_of(self._plan, self._next))
                self._next += 1
            if share > 0.6 and not late_loaded:
                late_loaded = await self._load_late()
        self._stream.hand_in_file()

    async def _load_late(self) -> bool:
        unknown = [report for number in range(0, self._next, 2) if not (report := report_of(self._plan, number)).known]
        try:
            if unknown:
                await self._stream.load_late(unknown)
        except httpx.HTTPError:
            return False
        return True

    async def _strike(self, volley: tuple[Fault, ...]) -> None:
        """A volley, and the time until the system works again."""
        began = time.time()
        await asyncio.gather(*[self._faults.bring(fault) for fault in volley])
        healed = time.time()
        seconds = await self._recover(probe_of(self._volley))
        self._disturbed.append((began - 1, time.time() + 10))
        self._recoveries.append(seconds)
        kinds = ", ".join(str(fault.kind) for fault in volley)
        self._say(
            f"volley {self._volley + 1}/{len(self._plan.volleys)}: {kinds}: {healed - began:.0f} s,"
            f" recovered in {seconds:.1f} s; handed in {self._stream.handed_in}, waiting {self._tail.waiting}"
        )

    async def _recover(self, probe: Sent) -> float:
        """Until every service says that it is ready, and a report that is handed in now has led to a supporter."""
        began = time.monotonic()
        self._stream.hand_in(probe)
        while (seconds := time.monotonic() - began) < GIVES_UP:
            if self._tail.is_answered(probe.incident) and not await self._unready():
                return time.monotonic() - began
            await asyncio.sleep(0.25)
        self._say(f"not recovered: {await self._unready() or 'the probe has no supporter'}")
        return seconds

    async def _unready(self) -> list[str]:
        """The services that are not ready, with the checks that say so."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            return [text for one in SERVICES if (text := await why_unready(client, one, self._ground.url(one)))]

    # --- afterwards --------------------------------------------------------------------------------

    async def _rest(self) -> bool:
        """Wait until nothing moves but what waits for a human."""
        began, told, looks = time.monotonic(), 0.0, 0
        while (seconds := time.monotonic() - began) < RESTS:
            moving = await self._moving()
            looks = 0 if moving else looks + 1
            if looks == 2:  # what had just been taken may have been about to be said
                self._say(f"at rest after {seconds:.0f} s")
                return True
            if moving and seconds - told > 10:
                told = seconds
                self._say(f"not at rest after {seconds:.0f} s: {moving}")
            await asyncio.sleep(LOOKS)
        return False

    async def _moving(self) -> str:
        """What still moves, in words; empty when nothing does."""
        quiet = asyncio.get_running_loop().time() - self._tail.last_at > QUIET
        found = {
            "an event just now": not quiet,
            "reports": self._stream.busy,
            "people": self._supporters.busy,
            "waiting for a supporter": self._tail.waiting,
            "messages": await self._unsent(),
            "services": await self._unready(),
            "lag": await self._lag(),
        }
        return ", ".join(f"{what}: {value}" for what, value in found.items() if value)

    async def _lag(self) -> str:
        with contextlib.suppress(httpx.HTTPError):
            return lag(await self._metrics(), QUIET)
        return "unknown"

    async def _unsent(self) -> int:
        async with self._ground.client("notifier") as client:
            with contextlib.suppress(httpx.HTTPError):
                sends = (await client.get("/v1/outreach")).raise_for_status().json()["sends"]
                return sum(sends.get(state, 0) for state in UNSENT)
        return 1

    async def _look(self, rested: bool) -> Report:
        for service in SERVICES:
            await self._desk.look(service)
        evidence = await self._evidence()
        topics = evidence.topics
        findings = list(check(evidence))
        if not rested:
            findings.append(Finding("V", Is.UNHANDLED, "rest", f"still moving: {await self._moving()}"))
        late = [seconds for seconds in self._recoveries if seconds > RECOVERED_WITHIN]
        findings += [Finding("V", Is.UNHANDLED, "recovery", f"took {seconds:.0f} s") for seconds in late]
        evidence.looked_at["V"] += len(self._recoveries)
        return self._report(topics, evidence, findings)

    async def _evidence(self) -> Evidence:
        """Clocks are asked for a moment before the topics are read: what was decided by then stands there."""
        clocks = await self._clocks()
        await asyncio.sleep(2)
        topics, raw = await read_all(self._ground.bootstrap)
        return Evidence(
            accepted=self._stream.accepted,
            topics=topics,
            raw=raw,
            seals=self._seals,
            deliveries=self._ground.mail.deliveries,
            plays=self._supporters.plays,
            open_items=[item for items in self._desk.open.values() for item in items.values()],
            seen_items=self._desk.seen,
            acted=self._desk.acted,
            set_aside_by={
                place: readers(place[0], ce_type) for place, (what, ce_type) in topics.ours.items() if what in SET_ASIDE
            },
            clocks=clocks,
            metrics=await self._metrics(),
            logs=[log for log in sorted(self._ground.home.logs.glob("*.log")) if log.name != "mail.log"],
            done=self._faults.done,
            disturbed=self._disturbed,
            ended_by_itself=self._ended_by_itself(),
            wrong=[*self._stream.wrong, *self._supporters.wrong],
        )

    async def _clocks(self) -> dict[UUID, Clocks]:
        ids = sorted(self._tail.created)
        chosen = self._plan.dice("clocks").sample(ids, min(ASKED_CLOCKS, len(ids)))
        found = {}
        async with self._ground.client("sla-monitor") as client:
            for referral_id in chosen:
                answer = await client.get(f"/v1/cases/{referral_id}/clocks")
                clocks = answer.json().get("clocks", [])
                states = {(clock["clock"], clock["attempt"]): clock["state"] for clock in clocks}
                found[referral_id] = Clocks(states, datetime.now(UTC))
        return found

    async def _metrics(self) -> str:
        texts = []
        for service in SERVICES:
            async with self._ground.client(service, "operator") as client:
                texts.append((await client.get("/metrics")).text)
        return "\n".join(texts)

    def _ended_by_itself(self) -> list[tuple[float, str, int]]:
        """Programs that ended more often than we ended them; the codes of those that we end are known."""
        left = Counter({name: len(pids) for name, pids in self._ground.struck.items()})
        found = []
        for at, name, code in self._ground.ends.heard:
            if code in ENDED_BY_US and left[name] > 0:
                left[name] -= 1
            else:
                found.append((at, name, code))
        return found

    def _report(self, topics: Topics, evidence: Evidence, findings: list[Finding]) -> Report:
        done: list[Done] = self._faults.done
        return Report(
            seed=self._plan.seed,
            faults=Counter(str(each.fault.kind) for each in done),
            incidents=len(self._stream.accepted),
            referrals=len(
                {event.referral_id for kind in (ReferralCreated, ReferralJoined) for event in topics.all(kind)}
            ),
            repeats=self._stream.repeats,
            messages=len(self._ground.mail.deliveries),
            findings=findings,
            looked_at=evidence.looked_at,
            recoveries=self._recoveries,
            seconds=0,
            counts=dict(self._tail.counts),
            notes=Counter(
                [each.note for each in done if each.note]
                + [f"{name} ended with code {code} while disturbed" for _, name, code in evidence.ended_by_itself]
            ),
        )
