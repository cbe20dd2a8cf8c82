"""Who is told next where a due time has passed, step by step, until somebody acknowledges it."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from peerline.sections import Section, Wait

Role = Literal["coordinator", "deputy", "director"]
"""Whom a programme names to be told of an overdue clock. One person may have several; a supporter never has one."""

ROLES: tuple[Role, ...] = get_args(Role)
COORDINATOR: Role = "coordinator"
"""Who is told of every breach, whatever steps there are."""


class EscalationStep(Section):
    """So long after the due time whoever has the role `to` is told, unless somebody has come or acknowledged it."""

    after: Annotated[Wait, Field(le=timedelta(days=366))]
    to: Role


def _one_after_another(steps: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
    for one, other in pairwise(steps):
        if other.after <= one.after:
            raise ValueError(f"the step to the {other.to} is not after the step to the {one.to}")
    roles = [step.to for step in steps]
    if len(roles) != len(set(roles)):
        raise ValueError("a role stands twice")
    return steps


Escalation = Annotated[tuple[EscalationStep, ...], AfterValidator(_one_after_another)]
"""Steps in their order: each has a longer wait than the one before, and another role."""
