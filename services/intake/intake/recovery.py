"""
After a restore: what the referrals topic says that this database has lost.

A person whose case is not known would be given a second one. What was accepted and never published is lost with
the database: its source has to send that time again, which changes nothing for what is known.
"""

from chassis import Recovery, UnitOfWork
from peerline.compartments import Recollection
from peerline.events import Audience, Event
from peerline.sealing import Unreadable

from intake import casework, directory
from intake.domain.cases import Referral
from intake.repository import incidents, referrals
from intake.repository.records import RecalledRecord


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know a referral again with its person and its incident; one that cannot be read is for a human."""
    await incidents.hold_directory(work.connection)
    try:
        content = work.open(event, Audience.INTAKE, Recollection).content
    except Unreadable as fault:
        await referrals.count_at_least(work.connection, event.referral_id, event.sequence)
        await work.open_item(
            "referral-unknown",
            subject=str(event.event_id),
            referral_id=event.referral_id,
            programme=event.programme.id,
            reason=fault.reason,
            urgent=True,
        )
        return
    await _remember(work, RecalledRecord.model_validate_json(content))


async def _remember(work: UnitOfWork, kept: RecalledRecord) -> None:
    mentioned = [referral for referral in (kept.into, kept.referral) if referral is not None]
    sources = {each.incident: each.inputs.source or "" for each in mentioned if each.incident}
    known = await incidents.claim_incidents(work.connection, work.vault, sources)
    if kept.incident is not None:
        names = casework.names_in(casework.empty_book(work), kept.incident)
        await incidents.save_incidents(work.connection, work.vault, {kept.incident.key: (kept.incident, names)})
        known[kept.incident.key] = kept.incident
    if kept.person is not None:
        await directory.remember_person(work, kept.person)
    locked = await referrals.lock_referrals(
        work.connection, work.vault, referral_ids=[r.referral_id for r in mentioned]
    )
    before = {referral.referral_id: referral for referral in locked}
    newer = {each.referral_id: each for each in mentioned if _is_newer(each, before.get(each.referral_id))}
    await referrals.save_referrals(work.connection, work.vault, newer)
    for key in known.keys() & sources.keys():
        await incidents.mark_incident(work.connection, key)  # what was on the worklist is asked again


def _is_newer(said: Referral, known: Referral | None) -> bool:
    return known is None or said.sequence > known.sequence


RECOVERY = Recovery(recall)
