"""Notifier's sending without a socket: what mail servers, crashes, time, people and other services may do to it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import notifier
from chassis import Transactions, restored, worklist
from chassis.database import migrate, open_pool
from chassis.keys import read_keys
from chassis.work import Surroundings, by_type
from notifier import handlers
from notifier.api import ACTIONS
from notifier.casework import Cases
from notifier.domain import facts
from notifier.domain.facts import Message
from notifier.domain.fold import ANSWERABLE
from notifier.sends import claiming, ending, overdue
from notifier.sends.claiming import Ready
from notifier.sends.letters import Sender
from notifier.sends.smtp import Fate, MailServer
from notifier.settings import Settings
from peerline.events import Topic
from peerline.programme import read_programmes

from tests.support.notifier_place import Referral, programmes
from tests.support.outcome import a_supporter
from tests.support.workplace import Workplace

LONG = timedelta(hours=2)
Key = tuple[UUID, str, int | None]


@dataclass
class Desk:
    """Two referrals, their messages, and whoever has claimed one: of those that vanished some may come back."""

    place: Workplace
    transactions: Transactions
    referrals: list[Referral]
    in_hand: list[Ready] = field(default_factory=list)
    frozen: list[tuple[Ready, bool]] = field(default_factory=list)  # and whether it has arrived
    mailbox: Counter[UUID] = field(default_factory=Counter)
    told_again: Counter[Key] = field(default_factory=Counter)

    async def begin(self) -> None:
        """Nothing but two open cases, each with a supporter who is to be asked."""
        self.in_hand.clear()
        self.frozen.clear()
        self.mailbox.clear()
        self.told_again.clear()
        await self.transactions.pool.execute("TRUNCATE outreach_case, worklist_item, outbox CASCADE")
        async with self.transactions.begin() as work:
            await handlers.open_cases([each.created() for each in self.referrals], work)
        for referral in self.referrals:
            await self.propose(referral, 1)

    async def propose(self, referral: Referral, attempt: int) -> None:
        async with self.transactions.begin() as work:
            await handlers.ask_supporters([referral.proposed(attempt, a_supporter(attempt))], work)

    async def fact(self, referral: Referral, fact: type[facts.Fact], *parts: Any) -> None:
        async with self.transactions.begin() as work:
            cases = await Cases.known(work, [referral.id])
            cases.take(referral.id, fact(work.now, *parts))
            await cases.settle()

    async def claim(self, limit: int) -> None:
        self.in_hand += await claiming.claim_due(self.transactions, limit)

    async def hand_over(self, which: int, fate: Fate, arrives: bool) -> None:
        """One of the claimed messages meets its fate."""
        if self.in_hand:
            ready = self.in_hand.pop(which % len(self.in_hand))
            self.mailbox[ready.claimed.send_id] += arrives
            await self._end(ready, fate)

    async def vanish(self, which: int, arrives: bool) -> None:
        """Whoever claimed it is killed or frozen, before or after it arrived."""
        if self.in_hand:
            ready = self.in_hand.pop(which % len(self.in_hand))
            self.mailbox[ready.claimed.send_id] += arrives
            self.frozen.append((ready, arrives))

    async def come_back(self, which: int, knows: bool) -> None:
        """A frozen one goes on: too late to send, not too late to say what it knows."""
        if self.frozen:
            ready, arrived = self.frozen.pop(which % len(self.frozen))
            known = Fate.SENT if arrived else Fate.REFUSED
            await self._end(ready, known if knows else Fate.UNKNOWN)

    async def pass_time(self) -> None:
        """Two hours: nobody who has claimed by now will send any more; retries are due."""
        self.frozen += [(ready, False) for ready in self.in_hand]
        self.in_hand.clear()
        await self.transactions.pool.execute(
            "UPDATE send SET claimed_at = claimed_at - $1::interval, due_at = due_at - $1::interval", LONG
        )
        await overdue.run(self.transactions)

    async def act(self, which: int, action: str) -> None:
        """A coordinator acts on an item about a delivery, as HTTP has it done."""
        rows = await self._items()
        if rows:
            async with self.transactions.begin() as work:
                item = await worklist.claim(work.connection, rows[which % len(rows)]["id"])
                assert item
                if action == "send-again":
                    self.told_again[await self._key(UUID(item.subject))] += 1
                await ACTIONS[item.kind][action](work, item, {})
                await work.resolve_item(item.kind, subject=item.subject, resolution=action)

    async def drain(self) -> None:
        """All that is left takes its course with a mail server that takes everything."""
        await self.pass_time()
        while True:
            await self.claim(10)
            if not self.in_hand:
                return
            while self.in_hand:
                await self.hand_over(0, Fate.SENT, arrives=True)

    async def check(self) -> None:
        """At most one delivery of each message; another only where a coordinator said so."""
        assert all(count <= 1 for count in self.mailbox.values())
        arrived: Counter[Key] = Counter()
        for send_id, count in self.mailbox.items():
            arrived[await self._key(send_id)] += count
        assert all(count <= 1 + self.told_again[key] for key, count in arrived.items()), arrived

    async def check_ended(self) -> None:
        """Every message has ended; what failed or is unknown is listed unless it was decided, or needs no answer more."""
        rows = await self.transactions.pool.fetch(
            "SELECT send_id, referral_id, message, attempt, state, code FROM send"
        )
        assert {row["state"] for row in rows} <= {"sent", "failed", "unknown", "dropped"}, rows
        async with self.transactions.begin() as work:
            cases = await Cases.known(work, [each.id for each in self.referrals])

        def is_wanted(row: asyncpg.Record) -> bool:
            message, unanswered = Message(row["message"]), cases.rows[row["referral_id"]].case.unanswered
            return message not in ANSWERABLE or (message, row["attempt"]) in unanswered

        undecided = [row for row in rows if row["state"] in ("failed", "unknown") and row["code"] != "overruled"]
        listed = {row["subject"] for row in await self._items()}
        assert listed == {str(row["send_id"]) for row in undecided if is_wanted(row)}

    async def _end(self, ready: Ready, fate: Fate) -> None:
        async with self.transactions.begin() as work:
            await ending.end(work, [ending.Outcome(ready.claimed, fate, "test")])

    async def _items(self) -> list[asyncpg.Record]:
        return list(
            await self.transactions.pool.fetch(
                "SELECT * FROM worklist_item WHERE kind LIKE 'delivery-%' AND resolved_at IS NULL ORDER BY since, subject"
            )
        )

    async def _key(self, send_id: UUID) -> Key:
        row = await self.transactions.pool.fetchrow(
            "SELECT referral_id, message, attempt FROM send WHERE send_id = $1", send_id
        )
        assert row
        return row["referral_id"], row["message"], row["attempt"]


@asynccontextmanager
async def desk(place: Workplace) -> AsyncIterator[Desk]:
    """A desk on a database of its own, which somebody vouches for."""
    settings = place.settings(
        Settings,
        "notifier",
        smtp_from="hello@mail.example",
        smtp_host="127.0.0.1",
        public_url="http://pages.example",
        programmes=programmes(place.folder / "programmes"),
    )
    url = place.database("notifier")
    pool = await open_pool(url)
    await migrate(pool, Path(notifier.__file__).parent / "migrations")
    surroundings = Surroundings(
        service="notifier",
        own_topic=Topic.OUTREACH,
        keys=read_keys(settings),
        programmes=read_programmes(settings.programmes),
        resources=by_type([Sender(settings.smtp_from, "http://pages.example"), MailServer("127.0.0.1", 25, tries=3)]),
    )
    leader = await asyncpg.connect(url)
    await restored.vouch(leader)
    try:
        yield Desk(place, Transactions(pool, surroundings), [Referral(place, "1"), Referral(place, "2")])
    finally:
        await leader.close()
        await pool.close()
