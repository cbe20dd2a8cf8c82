"""A pause of a programme's outreach, on a real notifier under a stream of messages."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.notifier_place import Post, Referral, notifier, wait_until
from tests.support.workplace import Running, Workplace, until

REFERRALS = 60


async def planned(running: Running, number: int) -> None:
    async def so_many() -> bool:
        return len(await running.fetch("SELECT FROM send")) == number

    await until(so_many, seconds=60, what=f"{number} plans")


async def test_a_pause_stops_a_stream_within_a_second_survives_a_restart_and_loses_and_doubles_nothing(
    workplace: Workplace, post: Post
) -> None:
    office_opens = stand_in_line(post)
    referrals = [Referral(workplace, name=str(number)) for number in range(REFERRALS)]
    async with workplace.running(notifier(workplace, post)) as running:
        for referral in referrals:
            await workplace.publish(referral.created(), referral.proposed())
        await planned(running, REFERRALS)
        await until(lambda: some_are_claimed(running), what="messages under way")
        await running.client.post("/v1/outreach/shcp/pause")
        await asyncio.sleep(1)
        after_a_second = await claims(running)
        office_opens.set()
        await wait_until(lambda: len(post.mails) == after_a_second, "what was under way")
        await asyncio.sleep(2)
        later = await claims(running)
    async with workplace.running(notifier(workplace, post)) as running:
        await asyncio.sleep(1)
        after_a_restart = await claims(running)
        ready = (await running.client.get("/ready")).json()["checks"]["outreach"]
        shown = (await running.client.get("/v1/outreach")).json()
        await until(lambda: shows_pause(running), what="the metric")
        await running.client.post("/v1/outreach/shcp/resume")
        await wait_until(lambda: len(post.mails) == REFERRALS, "every message", seconds=60)

    assert 0 < after_a_second < REFERRALS
    assert after_a_second == later == after_a_restart
    assert ready == {"ok": True, "paused": ["shcp"]}
    assert list(shown["paused"]) == ["shcp"]
    assert len({str(mail["Message-ID"]) for mail in post.mails}) == REFERRALS


def stand_in_line(post: Post) -> asyncio.Event:
    """Every message waits until the office opens: so many are under way as may be at once, however fast planning is."""
    take, opens = post.handle_DATA, asyncio.Event()

    async def once_open(*given: object) -> str:
        await opens.wait()
        return await take(*given)  # type: ignore[arg-type]  # as aiosmtpd gives it

    post.handle_DATA = once_open  # type: ignore[method-assign,assignment]  # this office only
    return opens


async def some_are_claimed(running: Running) -> bool:
    return await claims(running) > 0


async def claims(running: Running) -> int:
    return len(await running.fetch("SELECT FROM send WHERE tries > 0"))


async def shows_pause(running: Running) -> bool:
    return "peerline_outreach_paused 1.0" in (await running.client.get("/metrics")).text


async def test_what_a_pause_kept_beyond_its_contact_hours_gets_new_ones(workplace: Workplace, post: Post) -> None:
    async with workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        await workplace.publish(Referral(workplace).created(), Referral(workplace).proposed())
        await planned(running, 1)
        long_ago = datetime.now(UTC) - timedelta(days=3)
        await running.fetch("UPDATE send SET due_at = $1, window_ends = $2", long_ago, long_ago + timedelta(hours=12))
        await running.client.post("/v1/outreach/shcp/resume")
        await wait_until(lambda: len(post.mails) == 1, "the message")
        [send] = await running.fetch("SELECT window_ends > now() AS is_in_hours, tries FROM send")

    assert (send["is_in_hours"], send["tries"]) == (True, 1)


async def test_another_programme_and_the_coordinator_are_written_to_during_a_pause(
    workplace: Workplace, post: Post
) -> None:
    failing, other = Referral(workplace, name="1"), Referral(workplace, name="2", programme="first")
    async with workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        await workplace.publish(failing.created(), failing.proposed(), other.created())
        await wait_until(lambda: len(post.mails) == 1, "the other programme's invitation")
        await running.fetch("UPDATE send SET state = 'sending', claimed_at = now() - interval '1 day' WHERE tries = 0")
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await wait_until(lambda: len(post.mails) == 2, "the coordinator's message")

    assert post.recipients[1] == ["coordinator@shcp.example.org"]
