from datetime import UTC, datetime

import pytest
from peerline_local.demo.browser import Page
from peerline_local.demo.players import CLOSE, LEFT_UNREAD, NO, PERMITTED, SENT, SHOW, TOO_WELL, YES, Players
from peerline_local.demo.samples import make_samples

PAGE = """
<html><body><form method="post"><input type="hidden" name="form" value="abc">
<input type="checkbox" name="unticked" value="1">
<button name="action" value="yes">Yes</button> <button name="action" value="no">No</button></form>
<form action="/elsewhere"><input name="q"><button name="go" value="search">Search</button></form></body></html>
"""


@pytest.fixture(scope="module")
def players() -> Players:
    return Players(make_samples(datetime(2026, 11, 22, tzinfo=UTC)).people.supporters)


def test_a_button_sends_its_own_value_and_the_hidden_fields() -> None:
    sent = Page("http://127.0.0.1/s/token", PAGE).press("yes")

    assert sent.url == "http://127.0.0.1/s/token"
    assert sent.content == {"form": "abc", "action": "yes"}


def test_a_page_without_the_button_cannot_be_pressed() -> None:
    page = Page("http://127.0.0.1/s/token", PAGE)

    assert page.choices == {"yes", "no", "search"}
    with pytest.raises(LookupError):
        page.press("decline")


def test_a_form_that_only_asks_is_not_posted() -> None:
    with pytest.raises(LookupError):
        Page("http://127.0.0.1/s/token", PAGE).press("search")


def test_some_decline_at_each_stage_and_two_leave_it(players: Players) -> None:
    samples = make_samples(datetime(2026, 11, 22, tzinfo=UTC))
    plans = [players.plan(supporter.person.name.email) for supporter in samples.people.supporters]

    assert plans.count(LEFT_UNREAD) == 2
    assert plans.count((NO,)) >= 2
    assert plans.count((YES, TOO_WELL)) >= 2
    assert sum(SHOW in plan for plan in plans) > len(plans) / 2
    assert any(plan[-1:] == (CLOSE,) for plan in plans)
    assert sum(plan[-3:] == (PERMITTED, SENT, CLOSE) for plan in plans) >= 2


def test_who_declined_once_says_yes_the_next_time(players: Players) -> None:
    samples = make_samples(datetime(2026, 11, 22, tzinfo=UTC))
    again = Players(samples.people.supporters)
    for supporter in samples.people.supporters:
        again._asked[supporter.person.name.email] = 1  # as after a first message

    assert all(SHOW in again.plan(supporter.person.name.email) for supporter in samples.people.supporters)
