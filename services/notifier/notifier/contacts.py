"""Names and addresses: encrypted where they are kept, opened only to send or to show."""

from uuid import UUID

from chassis import UnitOfWork
from peerline.compartments import ContactProfile, SupporterContact

from notifier.repository.cases import CaseRow


class NoContact(LookupError):
    """There is no address for this message; `args[0]` is a code."""


def keep_physician(work: UnitOfWork, row: CaseRow, contact: ContactProfile) -> None:
    """Keep whom an offer is for."""
    row.contact = work.vault.lock(contact.model_dump_json().encode(), _about_case(row.referral_id))
    row.zone = contact.zone


def keep_supporter(work: UnitOfWork, row: CaseRow, attempt: int, contact: SupporterContact) -> None:
    """Keep who is to be asked."""
    match = row.matches[attempt]
    match.contact = work.vault.lock(contact.model_dump_json().encode(), _about_attempt(row.referral_id, attempt))
    match.zone = contact.zone


def physician(work: UnitOfWork, row: CaseRow) -> ContactProfile:
    """Whom the offer is for; raises NoContact."""
    if row.contact is None:
        raise NoContact("no-referral")
    return ContactProfile.model_validate_json(work.vault.unlock(row.contact, _about_case(row.referral_id)))


def supporter(work: UnitOfWork, row: CaseRow, attempt: int) -> SupporterContact:
    """Who is asked; raises NoContact."""
    match = row.matches.get(attempt)
    if match is None or match.contact is None:
        raise NoContact("no-supporter")
    return SupporterContact.model_validate_json(
        work.vault.unlock(match.contact, _about_attempt(row.referral_id, attempt))
    )


def _about_case(referral_id: UUID) -> str:
    return f"outreach_case.contact/{referral_id}"


def _about_attempt(referral_id: UUID, attempt: int) -> str:
    return f"outreach_attempt.contact/{referral_id}/{attempt}"
