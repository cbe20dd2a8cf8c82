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
    marked = None
    try:
        async with transactions.begin() as work:
            await incidents.hold_directory(work.connection)
            marked = await incidents.next_to_review(work.connection)
            if marked is None:
                return False
            await _review(work, *marked)
    except THE_WORLD:
        raise
    except Exception as error:
        if marked is None:
            raise
        await _set_aside(transactions, marked[0], error)  # one incident must not keep the others waiting
    return True


async def _set_aside(transactions: Transactions, key: UUID, error: Exception) -> None:
    """
    Put an incident on the worklist and take its mark off.

    In a transaction of its own: of one in which some of it was decided, its events would go out all the same.
    """
    log.error("review_failed", what=STUCK, error=type(error).__name__)
    async with transactions.begin() as work:
        await incidents.unmark_incident(work.connection, key)
        await work.open_item(STUCK, subject=str(key), reason=type(error).__name__, urgent=True)


async def _review(work: UnitOfWork, key: UUID, source: str) -> None:
    book = await casework.book_of_incident(work, key, source)
    if key in book.incidents:
        referring.look_again(book, key, casework.terms_of(work, source), work.now)
        await casework.save(work, book)
