"""The chapter on due times in README: what can be pasted gives the answer that stands there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from peerline.programme import Programme

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CHAPTER = README.partition("### How due times are reckoned\n")[2].partition("\n### ")[0]
EXAMPLES = re.findall(r"^    (echo .*)\n((?:    # .*\n)+)", CHAPTER, re.MULTILINE)
RELEASES = re.compile(r"(?<=holidays )[\d.]+|(?<=time zones as of )\w+")
"""Of the library of holidays and of the time zones: those of the lock, whichever they are."""


def on_one_line(answer: str) -> str:
    return RELEASES.sub("…", " ".join(answer.replace("    # ", "").split()))


def test_there_is_an_example_of_each_rule() -> None:
    asked = "".join(command for command, _ in EXAMPLES)

    assert len(EXAMPLES) == len(re.findall(r"^    # (?:received|started by) ", CHAPTER, re.MULTILINE)) >= 8
    for named in (
        "weekend_begins",
        "holidays_as_weekend",
        "working-days",
        "working-hours",
        "pauses",
        "closed",
        "opened",
    ):
        assert f'"{named}"' in asked


@pytest.mark.parametrize(("command", "answer"), EXAMPLES)
def test_an_example_gives_the_answer_that_stands_below_it(command: str, answer: str) -> None:
    here = command.replace(".venv/bin/peerline", f"{sys.executable} -m peerline_local")
    assert here != command

    done = subprocess.run(["sh", "-c", here], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    assert on_one_line(done.stdout) == on_one_line(answer)


def test_the_clocks_that_are_shown_may_stand_in_a_programme_file() -> None:
    shown: dict[str, Any] = yaml.safe_load(re.findall(r"\n\n((?:    .*\n)+)", CHAPTER)[0])
    content = yaml.safe_load((ROOT / "deploy" / "programmes" / "shcp.yaml").read_text())

    programme = Programme.model_validate(content | shown)

    assert [clock.due.rule for clock in programme.clocks] == ["elapsed", "working-days"]
