"""What coordinators are told, by a real notifier: once, at once or by the day, and nothing that names anybody."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml
from peerline.events import (
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEvent,
    Firmness,
    Topic,
)

from tests.support.notices import an_item, looked
from tests.support.notifier_place import NOW, PHYSICIAN, Post, Referral, notifier, programmes, wait_until
from tests.support.workplace import Running, Workplace, until

SHCP = "coordinator@shcp.example.org"
AT_ONCE = timedelta(0)
QUARTER = timedelta(minutes=15)
JUST_TOLD = """
INSERT INTO coordinator (programme, urgent_at, digest_on)
VALUES ('shcp', statement_timestamp(), (statement_timestamp() AT TIME ZONE 'America/New_York')::date)
"""


def a_deadline(place: Workplace, kind: type[DeadlineEvent], name: str = "1") -> DeadlineEvent:
    referral = Referral(place, name)
    return kind(
        event_id=place.ids.event(kind.name, referral.id, "match", 0),
        referral_id=referral.id,
        programme=referral.created().programme,
        sequence=2,
        occurred_at=NOW,
        deadline_id=place.ids.deadline(referral.id, "match", 0),
        clock="match",
        firmness=Firmness.PROMISED,
        due_at=NOW,
    )


async def noted(running: Running, items: int) -> None:
    async def all_of_them() -> bool:
        return len(await running.fetch("SELECT FROM attention")) == items

    await until(all_of_them, what=f"{items} items")


async def quarter_of_an_hour_later(running: Running) -> None:
    await running.fetch("UPDATE coordinator SET urgent_at = urgent_at - interval '15 minutes'")
    await running.fetch("SELECT pg_notify('peerline', 'rounds')")


async def a_day_later(running: Running) -> None:
    await running.fetch("UPDATE coordinator SET digest_on = digest_on - 1, urgent_at = urgent_at - interval '1 day'")
    await running.fetch("SELECT pg_notify('peerline', 'rounds')")


@pytest.mark.parametrize("kind", [DeadlineApproaching, DeadlineBreached])
async def test_a_deadline_is_told_once_and_by_no_name(
    workplace: Workplace, post: Post, kind: type[DeadlineEvent]
) -> None:
    referral, deadline = Referral(workplace), a_deadline(workplace, kind)
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(referral.created(), deadline, deadline)
        await wait_until(lambda: bool(post.mails), "the coordinator's message")
        await running.fetch("DELETE FROM inbox")
        await workplace.publish(deadline)
        await a_day_later(running)
        await looked(running)

    assert post.recipients == [[SHCP]]
    assert PHYSICIAN.name not in post.texts()[0]
    assert str(referral.id) in post.texts()[0]


async def test_breaches_that_were_noticed_late_are_told_apart_with_both_times(workplace: Workplace, post: Post) -> None:
    late = {"late_noticed": True, "due_at": datetime(2026, 6, 9, 14, 15, tzinfo=UTC)}
    noticed = {"occurred_at": datetime(2026, 6, 9, 20, 30, tzinfo=UTC)}
    in_time, one, other = (a_deadline(workplace, DeadlineBreached, name) for name in "123")

    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await running.fetch(JUST_TOLD)
        await workplace.publish(in_time, *(each.model_copy(update=late | noticed) for each in (one, other)))
        await noted(running, 3)
        await quarter_of_an_hour_later(running)
        await wait_until(lambda: len(post.mails) == 1, "the coordinator's message")

    [text] = (" ".join(each.split()) for each in post.texts())
    assert "1 × promised times that have passed, before what was promised happened (" in text
    assert "2 × promised times that have passed, before what was promised happened, and which were noticed late" in text
    assert "late: due Tue 09 Jun 10:15 EDT, noticed Tue 09 Jun 16:30 EDT (" in text


async def test_a_burst_is_told_at_once_and_then_once_in_a_quarter_of_an_hour_with_counts(
    workplace: Workplace, post: Post
) -> None:
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(an_item(workplace, "unmatched", 0, age=AT_ONCE))
        await wait_until(lambda: len(post.mails) == 1, "the first message")
        await workplace.publish(*[an_item(workplace, "unmatched", number, age=AT_ONCE) for number in range(1, 100)])
        await noted(running, 100)
        await looked(running)
        told_meanwhile = len(post.mails)
        await quarter_of_an_hour_later(running)
        await wait_until(lambda: len(post.mails) == 2, "the second message")
        await quarter_of_an_hour_later(running)
        await looked(running)

    assert told_meanwhile == 1
    assert post.recipients == [[SHCP], [SHCP]]
    assert "1 × people for whom there is nobody to ask" in post.texts()[0]
    assert "99 × people for whom there is nobody to ask" in post.texts()[1]


async def test_what_is_not_urgent_is_told_once_a_day_with_all_that_is_open(workplace: Workplace, post: Post) -> None:
    resolved = [an_item(workplace, "supporter-left", urgent=False, is_open=is_open) for is_open in (True, False)]
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(*reversed(resolved))  # the later change holds, whichever comes first
        await noted(running, 1)
        await looked(running)
        of_what_is_resolved = len(post.mails)
        await workplace.publish(an_item(workplace, "old-report", urgent=False, topic=Topic.REFERRALS))
        await wait_until(lambda: len(post.mails) == 1, "the digest")
        await workplace.publish(an_item(workplace, "nobody-named", urgent=False, topic=Topic.REFERRALS))
        await noted(running, 3)
        await looked(running)
        on_one_day = len(post.mails)
        await a_day_later(running)
        await wait_until(lambda: len(post.mails) == 2, "the next day's digest")
        await a_day_later(running)
        await looked(running)

    assert (of_what_is_resolved, on_one_day) == (0, 1)
    first, second = post.texts()
    assert "1 × reports that came late" in first
    assert "reports that name nobody" not in first
    assert "1 × reports that came late" in second
    assert "1 × reports that name nobody" in second
    assert len(post.mails) == 2


async def test_what_concerns_the_installation_is_told_once_to_every_address(workplace: Workplace, post: Post) -> None:
    folder = programmes(workplace.folder / "three")
    other = yaml.safe_load((folder / "shcp.yaml").read_text())
    other["coordinator"]["email"] = "someone@rcaps.example.org"
    (folder / "third.yaml").write_text(yaml.safe_dump(other | {"id": "third"}))
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER, programmes=folder)) as running:
        await workplace.publish(
            an_item(workplace, "halted", programme=None), an_item(workplace, "stuck", programme=None)
        )
        await wait_until(lambda: len(post.mails) >= 2, "a message to each")
        await quarter_of_an_hour_later(running)
        await looked(running)

    addresses = {recipient for [recipient] in post.recipients}
    assert addresses == {SHCP, "someone@rcaps.example.org"}
    for address in addresses:
        theirs = [text for text, [to] in zip(post.texts(), post.recipients, strict=True) if to == address]
        assert sum(text.count("inputs that stand still") for text in theirs) == 1


async def test_an_item_that_is_opened_again_is_told_again(workplace: Workplace, post: Post) -> None:
    first, resolved = (an_item(workplace, "halted", is_open=is_open) for is_open in (True, False))
    again = first.model_copy(
        update={"event_id": workplace.ids.event("again", first.item_id), "occurred_at": datetime.now(UTC)}
    )
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(first)
        await wait_until(lambda: len(post.mails) == 1, "the first message")
        await workplace.publish(resolved, again)
        await quarter_of_an_hour_later(running)
        await wait_until(lambda: len(post.mails) == 2, "the second message")


async def test_two_notifiers_tell_once(workplace: Workplace, post: Post) -> None:
    async with (
        workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running,
        workplace.running(notifier(workplace, post, urgent_every=QUARTER), ready=False) as other,
    ):
        await workplace.publish(*[an_item(workplace, "unmatched", number) for number in range(5)])
        await wait_until(lambda: bool(post.mails), "a message")
        await noted(running, 5)
        await quarter_of_an_hour_later(running)
        await looked(running)
        await looked(other)
        [row] = await running.fetch("SELECT count(*) AS n, count(DISTINCT item_id) AS items FROM notice_item")

    assert (row["n"], row["items"]) == (5, 5)
    assert all(text.count("×") == 1 for text in post.texts())


async def test_a_message_whose_fate_is_unknown_is_not_sent_again_and_the_digest_tells_of_the_same(
    workplace: Workplace, post: Post
) -> None:
    post.cut_after_data = True
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(an_item(workplace, "unmatched"))
        await wait_until(lambda: len(post.mails) == 1, "a message")

        async def unknown() -> bool:
            return [row["state"] for row in await running.fetch("SELECT state FROM notice")] == ["unknown"]

        await until(unknown, what="its fate")
        post.cut_after_data = False
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await wait_until(lambda: len(post.mails) == 2, "the digest")
        await a_day_later(running)
        await looked(running)
        kinds = await running.fetch("SELECT kind, state FROM notice ORDER BY planned_at")

    assert [tuple(row) for row in kinds] == [("urgent", "unknown"), ("digest", "sent")]
    assert len(post.mails) == 2


async def test_a_notifier_that_died_while_telling_leaves_it_to_the_digest(workplace: Workplace, post: Post) -> None:
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER, smtp_timeout=0.5)) as running:
        await workplace.publish(an_item(workplace, "unmatched"))
        await wait_until(lambda: len(post.mails) == 1, "a message")
        await until_sent(running)
        await running.fetch("UPDATE notice SET state = 'sending', claimed_at = now() - interval '1 minute'")
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await wait_until(lambda: len(post.mails) == 2, "the digest")
        kinds = await running.fetch("SELECT kind, state, code FROM notice ORDER BY planned_at LIMIT 1")

    assert [tuple(row) for row in kinds] == [("urgent", "unknown", "abandoned")]


async def until_sent(running: Running) -> None:
    async def sent() -> bool:
        return [row["state"] for row in await running.fetch("SELECT state FROM notice")] == ["sent"]

    await until(sent, what="the message to be sent")


async def test_a_coordinator_who_cannot_be_reached_is_an_item_until_they_are(workplace: Workplace, post: Post) -> None:
    post.refuse_recipient = "550 nobody of that name"
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(an_item(workplace, "unmatched"))

        async def listed() -> bool:
            items = (await running.client.get("/v1/worklist")).json()["items"]
            return [item["kind"] for item in items] == ["coordinator-unreachable"]

        await until(listed, what="an item")
        post.refuse_recipient = ""
        await quarter_of_an_hour_later(running)
        await wait_until(lambda: bool(post.mails), "a message")

        async def resolved() -> bool:
            return not (await running.client.get("/v1/worklist")).json()["items"]

        await until(resolved, what="the item to be resolved")


async def test_a_refused_message_is_tried_again_and_an_own_item_is_told_like_any_other(
    workplace: Workplace, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sends.notices.backoff", lambda *_args, **_more: timedelta(0))
    post.answers = ["550 not this", "451 not now"]
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(Referral(workplace).created(), Referral(workplace).proposed())
        await wait_until(lambda: bool(post.mails), "the coordinator's message")
        await until_sent(running)
        [notice] = await running.fetch("SELECT tries, message_id FROM notice")

    assert notice["tries"] == 2
    assert "1 × messages that could not be delivered" in post.texts()[0]
    assert str(post.mails[0]["Message-ID"]) == f"<{notice['message_id']}@mail.example>"


async def test_what_is_over_before_its_message_was_taken_is_not_told(
    workplace: Workplace, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sends.notices.backoff", lambda *_args, **_more: timedelta(hours=1))
    post.answers = ["451 not now"]
    async with workplace.running(notifier(workplace, post, urgent_every=QUARTER)) as running:
        await workplace.publish(an_item(workplace, "unmatched"))
        await until(lambda: _notices_are(running, "refused"), what="a refusal")
        await workplace.publish(an_item(workplace, "unmatched", is_open=False))
        await until(lambda: _nothing_is_open(running), what="the item to be over")
        await running.fetch("UPDATE notice SET due_at = now()")
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await until(lambda: _notices_are(running, "dropped"), what="the message to be dropped")

    assert post.mails == []


async def _notices_are(running: Running, state: str) -> bool:
    return [row["state"] for row in await running.fetch("SELECT state FROM notice")] == [state]


async def _nothing_is_open(running: Running) -> bool:
    return not await running.fetch("SELECT FROM open_attention")
