"""Logs hold events and allowed fields, nothing else."""

import json
import logging

import pytest
from chassis import log


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> object:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = before, level


def test_a_field_that_is_not_allowed_is_dropped_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "matcher")

    log.logger("matcher").info("match_proposed", referral_id="r-1", physician="Quillfeather")

    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "match_proposed"
    assert line["referral_id"] == "r-1"
    assert line["dropped"] == 1
    assert "Quillfeather" not in json.dumps(line)


def test_a_librarys_text_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("debug", "matcher")

    logging.getLogger("aiokafka.consumer").warning("record %s", "Quillfeather")
    logging.getLogger("aiokafka.consumer").debug("body Quillfeather")

    out = capsys.readouterr().out
    assert "Quillfeather" not in out
    assert json.loads(out)["what"] == "aiokafka.consumer"


def test_a_librarys_exception_is_named_by_its_class_only(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "matcher")

    try:
        raise ValueError("Quillfeather")
    except ValueError:
        logging.getLogger("asyncpg").exception("failed for Quillfeather")

    line = json.loads(capsys.readouterr().out)
    assert line["error"] == "ValueError"
    assert "Quillfeather" not in json.dumps(line)


def test_every_line_names_the_service_that_runs_also_of_the_chassis_and_of_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info", "matcher")

    log.logger("chassis").info("batch_failed")
    logging.getLogger("aiokafka.consumer").warning("record")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["service"] for line in lines] == ["matcher", "matcher"]


def test_a_line_that_cannot_be_written_does_not_fail_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    log.configure("info", "matcher")
    monkeypatch.setattr("sys.stdout", FullDisk())

    log.logger("matcher").info("match_proposed", attempt=1)


def test_what_a_library_says_over_and_over_is_a_line_in_a_while_that_says_how_often(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log.configure("info", "matcher")

    for turn in range(1001):
        if turn == 1000:
            monkeypatch.setattr(log, "EACH", 0.0)
        logging.getLogger("aiokafka").error("Unable to connect to Quillfeather")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["count"] for line in lines] == [1, 1000]
