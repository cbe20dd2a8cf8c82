"""What outreach reports back, and what it means for the referrals that rely on a case."""

from dataclasses import replace
from uuid import UUID

from intake.domain.cases import Cases, Referral, Standing, open_or_join
from intake.domain.people import Directory

CLOSED = "closed"
JOIN_REFUSED = "join-refused"
RETRACTION_DECLINED = "retraction-declined"
STEPS = frozenset({CLOSED, JOIN_REFUSED, RETRACTION_DECLINED})
"""The steps of outreach that intake acts on."""


def note_step(cases: Cases, directory: Directory, referral_id: UUID, step: str, into: UUID | None = None) -> None:
    """
    Follow one step of outreach; a step about a referral that is not known, or that came before, does nothing.

    `into` is the case that a join was refused into; what joined another since is not refused there.
    """
    referral = cases.get(referral_id)
    if referral is None:
        return
    if step == CLOSED:
        _close(cases, directory, referral)
    elif step == RETRACTION_DECLINED and referral.standing == Standing.WITHDRAWN and referral.retracted:
        _stand(cases, directory, referral)
    elif step == JOIN_REFUSED and referral.standing == Standing.JOINED and into in (None, referral.into):
        _refuse_join(cases, directory, referral)


def _close(cases: Cases, directory: Directory, case: Referral) -> None:
    """A case has ended; those who waited for this get the place that is now theirs."""
    # A referral that joined has no case of its own that could close, and has to stay refusable.
    if case.standing in (Standing.JOINED, Standing.WAITING, Standing.CLOSED):
        return
    cases.keep(replace(case, standing=Standing.CLOSED))
    _place_waiting(cases, directory, case)


def _stand(cases: Cases, directory: Directory, case: Referral) -> None:
    """Somebody had been contacted, so the offer stands in spite of the retraction."""
    cases.keep(replace(case, standing=Standing.OPEN, stands=True))
    _place_waiting(cases, directory, case)


def _refuse_join(cases: Cases, directory: Directory, referral: Referral) -> None:
    """
    The case had closed before the referral joined: it gets the place that is now theirs.

    That is a case of its own, unless another was opened for the person meanwhile: nobody has two at a time.
    """
    person = directory.get(referral.person)
    if person is None:
        raise LookupError("a joined referral without its person")
    into = cases.get(referral.into)
    if into is not None:
        # The refusal proves that it is closed, and may be read before the step that says so.
        _close(cases, directory, into)
    open_or_join(cases, referral, person)


def _place_waiting(cases: Cases, directory: Directory, case: Referral) -> None:
    for waiting in cases.relying_on(case.referral_id, Standing.WAITING):
        person = directory.get(waiting.person)
        if person is not None:
            open_or_join(cases, waiting, person)
