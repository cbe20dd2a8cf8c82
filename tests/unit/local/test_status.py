"""What an operator is shown of the services that run."""

import pytest
from peerline_local.commands.status import print_table


def test_lists_that_a_service_says_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    checks = {
        "outreach": {"ok": True, "paused": ["shcp"]},
        "consumer": {"ok": False, "held": ["matches/1"], "halted": {}},
    }

    print_table([{"name": "notifier", "ready": False, "url": "http://x", "answer": {"checks": checks}}])

    lines = [line.split("http://x")[-1].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == ["outreach ok paused=[shcp]", "consumer not ok: held=[matches/1]"]
