"""
Whose fault a failure is: the one table that the delivery path, the rounds and the readiness check go by.

Data is set aside at once, and its neighbours go through. The world is waited out, and nothing is ever set
aside for it. What the table does not name is ours or the record's: the record is isolated and waited for,
and set aside only if it goes on failing for a quarter of an hour while others pass.
"""

from enum import StrEnum

import asyncpg
from aiokafka.errors import KafkaError
from peerline.cloudevents import NotACloudEvent

from chassis.consumer import Refused
from chassis.keys import KeyAwaited


class Cause(StrEnum):
    """Whose fault a failure is."""

    DATA = "data"
    WORLD = "world"
    OURS = "ours"


DATA = (
    # Of one record. A body that its model refuses is found while reading (chassis.decoding): the same
    # ValidationError from a handler would be a bug.
    NotACloudEvent,
    Refused,
)

THE_WORLD = (
    # The machine. Out of memory is what a process or a batch is, not what a record is: a batch that fails
    # is tried again in smaller pieces.
    OSError,
    TimeoutError,
    MemoryError,
    KafkaError,
    KeyAwaited,  # this week's key was not given to this process yet
    # PostgreSQL: away, going, full, or in another's hands.
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # a connection that was lost before the statement
    asyncpg.InternalClientError,  # what a connection that is cut in the middle of an answer may end with
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed
    asyncpg.InvalidCatalogNameError,  # a database that is being restored
    asyncpg.OperatorInterventionError,  # shut down, starting, cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, disk full
    asyncpg.PostgresSystemError,  # a disk that cannot be read
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization: another attempt may well succeed
    asyncpg.ObjectNotInPrerequisiteStateError,  # a table that is locked for long, a database closed for a while
    asyncpg.ReadOnlySQLTransactionError,  # a failover that is not over
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process stood still meanwhile
    asyncpg.TransactionTimeoutError,  # it stood still, or a batch was too much for one transaction
)


def cause_of(error: BaseException) -> Cause:
    """Whose fault an error is."""
    if isinstance(error, DATA):
        return Cause.DATA
    return Cause.WORLD if isinstance(error, THE_WORLD) else Cause.OURS
