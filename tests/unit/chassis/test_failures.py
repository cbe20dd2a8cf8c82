"""The table of failures: each row, and what is no row of it."""

from uuid import uuid4

import asyncpg
import pytest
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, KafkaError
from chassis import Refused
from chassis.failures import DATA, THE_WORLD, Cause, cause_of
from chassis.keys import KeyAwaited
from peerline.cloudevents import NotACloudEvent
from pydantic import TypeAdapter, ValidationError

ROWS: list[tuple[Exception, Cause]] = [
    (NotACloudEvent("ce_id"), Cause.DATA),
    (Refused(uuid4(), "not-like-this"), Cause.DATA),
    (OSError(), Cause.WORLD),
    (ConnectionResetError(), Cause.WORLD),
    (TimeoutError(), Cause.WORLD),
    (MemoryError(), Cause.WORLD),
    (KeyAwaited("matcher.2026-W48"), Cause.WORLD),
    (KafkaError(), Cause.WORLD),
    (KafkaConnectionError(), Cause.WORLD),
    (CorruptRecordException(), Cause.WORLD),
    (asyncpg.PostgresConnectionError(""), Cause.WORLD),
    (asyncpg.ConnectionDoesNotExistError(""), Cause.WORLD),
    (asyncpg.InterfaceError(""), Cause.WORLD),
    (asyncpg.InternalClientError(""), Cause.WORLD),
    (asyncpg.InvalidAuthorizationSpecificationError(""), Cause.WORLD),
    (asyncpg.InvalidCatalogNameError(""), Cause.WORLD),
    (asyncpg.OperatorInterventionError(""), Cause.WORLD),
    (asyncpg.AdminShutdownError(""), Cause.WORLD),
    (asyncpg.QueryCanceledError(""), Cause.WORLD),
    (asyncpg.CannotConnectNowError(""), Cause.WORLD),
    (asyncpg.InsufficientResourcesError(""), Cause.WORLD),
    (asyncpg.TooManyConnectionsError(""), Cause.WORLD),
    (asyncpg.OutOfMemoryError(""), Cause.WORLD),
    (asyncpg.DiskFullError(""), Cause.WORLD),
    (asyncpg.PostgresSystemError(""), Cause.WORLD),
    (asyncpg.DataCorruptedError(""), Cause.WORLD),
    (asyncpg.IndexCorruptedError(""), Cause.WORLD),
    (asyncpg.TransactionRollbackError(""), Cause.WORLD),
    (asyncpg.DeadlockDetectedError(""), Cause.WORLD),
    (asyncpg.SerializationError(""), Cause.WORLD),
    (asyncpg.ObjectNotInPrerequisiteStateError(""), Cause.WORLD),
    (asyncpg.LockNotAvailableError(""), Cause.WORLD),
    (asyncpg.ReadOnlySQLTransactionError(""), Cause.WORLD),
    (asyncpg.IdleInTransactionSessionTimeoutError(""), Cause.WORLD),
    (asyncpg.TransactionTimeoutError(""), Cause.WORLD),
    (asyncpg.UndefinedColumnError(""), Cause.OURS),
    (asyncpg.UndefinedTableError(""), Cause.OURS),
    (asyncpg.InsufficientPrivilegeError(""), Cause.OURS),
    (asyncpg.DataError(""), Cause.OURS),
    (asyncpg.UniqueViolationError(""), Cause.OURS),
    (TypeError(), Cause.OURS),
    (AssertionError(), Cause.OURS),
    (KeyError(), Cause.OURS),
    (RecursionError(), Cause.OURS),
]


@pytest.mark.parametrize(("error", "cause"), ROWS, ids=[type(error).__name__ for error, _ in ROWS])
def test_a_failure_has_its_class(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause


def test_every_row_of_the_table_is_tested_by_name() -> None:
    tested = {type(error) for error, _ in ROWS}

    assert {*DATA, *THE_WORLD} <= tested


def test_a_value_that_a_handler_gives_a_model_wrongly_is_our_bug_and_no_bad_data() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")

    assert cause_of(caught.value) is Cause.OURS
