"""Which failures are the world's: no record, case or message can be their cause, so nothing is set aside for them."""

import asyncpg

THE_WORLD = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection that is cut in the middle of an answer may end with
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization: another attempt may well succeed
    asyncpg.ReadOnlySQLTransactionError,  # a failover that is not over
)
