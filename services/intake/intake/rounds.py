"""Incidents looked at again because the directory, or a person, said something new about their people."""

from datetime import timedelta
from uuid import UUID

from chassis import THE_WORLD, Transactions, UnitOfWork
from chassis.log import logger

from intake import casework
from intake.domain import referring
from intake.repository import incidents

STUCK = "stuck"
log = logger("intake")


async def run(transactions: Transactions) -> timedelta | None:
    """Look at every marked incident again, each in a transaction of its own."""
    while await review_next(transactions):
        pass
    return None


async def review_next(transactions: Transactions) -> bool:
    """Look at one marked incident again; False where none is left. One that cannot be decided is set aside."""
    async with transactions.begin() as work:
        await incidents.hold_directory(work.connection)
        marked = await incidents.next_to_review(work.connection)
        if marked is None:
            return False
        key, source = marked
        try:
            async with work.connection.transaction():
                await _review(work, key, source)
        except THE_WORLD:
            raise
        except Exception as error:  # noqa: BLE001  one incident must not keep the others waiting
            log.error("review_failed", what=STUCK, error=type(error).__name__)
            await work.open_item(STUCK, subject=str(key), reason=type(error).__name__, urgent=True)
    return True


async def _review(work: UnitOfWork, key: UUID, source: str) -> None:
    book = await casework.book_of_incident(work, key, source)
    if key in book.incidents:
        referring.look_again(book, key, casework.terms_of(work, source), work.now)
        await casework.save(work, book)
