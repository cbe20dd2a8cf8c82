"""One run of the samples through a stack that is up: fed, played, and compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from peerline.events import MatchConfirmed, OutreachLogged, ParticipantUnresolved, ReferralCreated
from peerline.programme import Programmes

from peerline_local.demo.clocks import Shown, one_of_each
from peerline_local.demo.comparison import Attribution, Fault, Finding, compare
from peerline_local.demo.comparison.findings import exactly, wrong
from peerline_local.demo.feeding import Feeding
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.outcome import Outcome, outcome
from peerline_local.demo.players import Players
from peerline_local.demo.reach import Reach
from peerline_local.demo.records import Reader, reading
from peerline_local.demo.samples import Samples
from peerline_local.demo.scenes import Stage
from peerline_local.errors import StackError
from peerline_local.home import write_atomically
from peerline_local.mailbox import Message, read_messages

_QUIET_SECONDS = 1.5
"""So long nothing may come any more before it is over: a doubled message would come late."""
_LONGEST_SECONDS = 90.0

Say = Callable[[str], None]


@dataclass
class Show:
    """One run of the samples through a stack that is up."""

    reach: Reach
    samples: Samples
    programmes: Programmes
    say: Say
    began: float
    """When the seconds began to count, by time.monotonic()."""

    def __post_init__(self) -> None:
        self.ledger = Ledger.with_keys_of(self.reach.home)
        self.players = Players(self.samples.people.supporters)
        self.feeding = Feeding(self.reach, self.samples, self.reach.home.path / "demo" / "answers.jsonl")
        self._fed_from = self._last_news = time.monotonic()
        self._late_directory_loaded = False
        self._retracted = False
        self._quarantined_before = 0

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown: the first programme's."""
        return next(iter(self.programmes.values())).zone

    async def run(self) -> Outcome:
        """Feed, play and wait until all is settled, or too long; return what came of it."""
        async with reading(self.reach.kafka_bootstrap) as reader:
            await self._note_what_is_there(reader)
            await self.feeding.load_people()
            handing_in = asyncio.create_task(self.feeding.hand_in())
            try:
                findings = await self._until_settled(reader, handing_in)
            finally:
                handing_in.cancel()
                await self.players.stop()
        clocks = await self._clocks(findings)
        quarantined = await self._quarantined()
        self._keep(await self.reach.metrics())
        seconds = time.monotonic() - self.began
        mail = self._new_mail()
        return outcome(
            self.samples, self.ledger, mail, findings, clocks=clocks, quarantined=quarantined, seconds=seconds
        )

    async def _note_what_is_there(self, reader: Reader) -> None:
        """An earlier run's facts and messages are not this one's."""
        self.ledger.add(await reader.all_there_is())
        self.ledger.begin()
        self._mail_before = {message.id for message in self._mail()}
        self.players.skip(self._mail())
        self._quarantined_before = await self._quarantined()

    async def _until_settled(self, reader: Reader, handing_in: asyncio.Task[None]) -> list[Finding]:
        while True:
            await self._look(reader)
            if handing_in.done():
                handing_in.result()
                await self._act_as_coordinator(is_idle=self._is_quiet())
            late = time.monotonic() - self._fed_from > _LONGEST_SECONDS
            if late or (handing_in.done() and self._is_quiet()):
                findings = await self._compare()
                if late or not any(finding.fault is Fault.MISSING for finding in findings):
                    return findings

    async def _look(self, reader: Reader) -> None:
        records = await reader.more()
        if records or self.players.busy:
            self._last_news = time.monotonic()
        self.ledger.add(records)
        self.players.read(self._mail())
        self.say(self._progress())

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._last_news > _QUIET_SECONDS

    async def _act_as_coordinator(self, *, is_idle: bool) -> None:
        """Load the forgotten physician once they were missed; take a report back once somebody was told of it."""
        if not self._late_directory_loaded and (is_idle or self.ledger.new(ParticipantUnresolved)):
            self._late_directory_loaded = True
            await self.feeding.load_late_directory()
            self._last_news = time.monotonic()
        if not self._retracted and (is_idle or self._contact_was_shown()):
            self._retracted = True
            await self.feeding.hand_in(Stage.ONCE_CONTACTED)
            self._last_news = time.monotonic()

    def _contact_was_shown(self) -> bool:
        """Whether the contact was shown for every incident that will be taken back later."""
        later = {incident for scene in self.samples.scenes if scene.goes_on_later for incident in scene.incidents}
        whose = Attribution(self.samples, self.ledger)
        referrals = {r for offer in self.samples.offers if offer.incident in later for r in whose.referrals(offer)}
        shown = {logged.referral_id for logged in self.ledger.new(OutreachLogged) if logged.step == "contact-shown"}
        return bool(referrals) and referrals <= shown

    async def _compare(self) -> list[Finding]:
        quarantined = exactly(
            self.samples.must_be_quarantined, await self._quarantined(), "feed", "records in quarantine"
        )
        found = compare(self.samples, self.ledger, self._mail(), self.programmes)
        pages = [wrong(play.supporter, f"a page did not work: {play.failed}") for play in self.players.failures]
        return [*found, *self.feeding.findings, *quarantined, *pages]

    async def _clocks(self, findings: list[Finding]) -> list[Shown]:
        try:
            return await one_of_each(self.reach, self.ledger, self.programmes)
        except StackError as error:
            findings.append(wrong("clocks", str(error)))
            return []

    async def _quarantined(self) -> int:
        entries = (await self.reach.ask("intake", "GET", "/v1/quarantine?limit=500", role="operator"))["entries"]
        return len(entries) - self._quarantined_before

    def _keep(self, metrics: dict[str, str]) -> None:
        """The metrics at the end, a file for each service, to be looked at when nothing runs any more."""
        folder = self.reach.home.folder(self.reach.home.path / "demo" / "metrics")
        for service, said in metrics.items():
            write_atomically(folder / f"{service}.txt", said)

    def _mail(self) -> list[Message]:
        return read_messages(self.reach.home.mail)

    def _new_mail(self) -> list[Message]:
        return [message for message in self._mail() if message.id not in self._mail_before]

    def _progress(self) -> str:
        steps = [logged.step for logged in self.ledger.new(OutreachLogged)]
        return (
            f"{self.feeding.handed_in} handed in, {len(self.ledger.new(ReferralCreated))} referrals,"
            f" {steps.count('supporter-notified')} supporters asked,"
            f" {len(self.ledger.new(MatchConfirmed))} matches, {steps.count('contact-shown')} contacts shown,"
            f" {steps.count('closed')} closed"
        )
