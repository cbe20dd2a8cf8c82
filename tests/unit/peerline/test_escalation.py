"""Who is told after the coordinator: what a programme file may say of it, and what is refused by the name of its field."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from peerline.escalation import EscalationStep
from peerline.programme import Programme, ProgrammeError, read_programme

from tests.support.promises import SHCP, a_clock
from tests.unit.peerline.test_programme_clocks import written

COORDINATOR = SHCP["coordinator"]
DEPUTY = COORDINATOR | {"name": "The deputy", "email": "deputy@shcp.example.org"}
DIRECTOR = COORDINATOR | {"name": "The Director", "email": "director@shcp.example.org"}
STEPS = [{"after": "PT2H", "to": "deputy"}, {"after": "PT4H", "to": "director"}]
HOUR = timedelta(hours=1)


def read(folder: Path, steps: list[dict[str, Any]], **more: Any) -> Programme:
    contacts = {"deputy": DEPUTY, "director": DIRECTOR} | more
    given = {role: contact for role, contact in contacts.items() if contact is not None}
    return read_programme(written(folder, a_clock("match", escalation=steps), **given))


def told(programme: Programme) -> list[str]:
    return [step.to for step in programme.escalation_of(programme.clocks[0])]


def test_a_clock_has_its_steps_in_their_order_and_each_role_a_contact(tmp_path: Path) -> None:
    programme = read(tmp_path, STEPS)

    assert programme.clocks[0].escalation == (
        EscalationStep(after=2 * HOUR, to="deputy"),
        EscalationStep(after=4 * HOUR, to="director"),
    )
    assert [programme.contact_of(role) for role in ("deputy", "director")] == [programme.deputy, programme.director]
    assert told(programme) == ["deputy", "director"]


def test_without_steps_there_is_nobody_after_the_coordinator(tmp_path: Path) -> None:
    programme = read_programme(written(tmp_path, a_clock("match")))

    assert programme.clocks[0].escalation == ()
    assert programme.contact_of("coordinator") == programme.coordinator
    assert [programme.contact_of(role) for role in ("deputy", "director", "supporter")] == [None, None, None]


@pytest.mark.parametrize(
    ("steps", "more", "named"),
    [
        (list(reversed(STEPS)), {}, "clocks.0.escalation: .*the step to the deputy is not after"),
        ([STEPS[0], {"after": "PT2H", "to": "director"}], {}, "clocks.0.escalation: .*is not after"),
        ([STEPS[0], {"after": "PT3H", "to": "deputy"}], {}, "clocks.0.escalation: .*a role stands twice"),
        ([{"after": "PT2H", "to": "supporter"}], {}, r"clocks\.0\.escalation\.0\.to"),
        ([{"after": "PT2H"}], {}, r"clocks\.0\.escalation\.0\.to"),
        ([{"to": "deputy"}], {}, r"clocks\.0\.escalation\.0\.after"),
        ([{"after": "-PT2H", "to": "deputy"}], {}, r"clocks\.0\.escalation\.0\.after"),
        ([{"after": "P367D", "to": "deputy"}], {}, r"clocks\.0\.escalation\.0\.after"),
        (STEPS, {"deputy": None}, "deputy: .*is missing, but match is escalated to the deputy"),
        (STEPS, {"director": None}, "director: .*is missing, but match is escalated to the director"),
        (STEPS, {"director": DIRECTOR | {"email": "nowhere"}}, r"director\.email"),
    ],
)
def test_a_wrong_escalation_names_its_field(
    tmp_path: Path, steps: list[dict[str, Any]], more: dict[str, Any], named: str
) -> None:
    with pytest.raises(ProgrammeError, match=f"changed.yaml: {named}"):
        read(tmp_path, steps, **more)


def test_who_has_two_roles_is_told_once_and_the_coordinator_again_only_by_that_name(tmp_path: Path) -> None:
    reminder = {"after": "PT1H", "to": "coordinator"}
    same = COORDINATOR | {"email": COORDINATOR["email"].upper()}

    assert told(read(tmp_path, STEPS, director=same)) == ["deputy"]  # UCSD: the Director is the coordinator
    assert told(read(tmp_path, STEPS, director=COORDINATOR, coordinator=same)) == ["deputy"]
    assert told(read(tmp_path, STEPS, director=DEPUTY)) == ["deputy"]
    assert told(read(tmp_path, [reminder, *STEPS], director=same)) == ["coordinator", "deputy"]
    assert told(read(tmp_path, [*STEPS, reminder | {"after": "PT9H"}])) == ["deputy", "director", "coordinator"]
