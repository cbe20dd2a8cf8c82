"""
Programs that do the same work in different ways, each a process of its own: `python -m tests.benchmarks.contenders.floor`.

Each reads `source` from its beginning and, for every ReferralCreated on it, writes one row to `inbox`, one to
`effect_case` and one to `effect_match`, and publishes one MatchConfirmed to `target`, until it is told to stop by
SIGTERM. What each guarantees beyond that stands at the top of its file.
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

ENVIRONMENT = "PEERLINE_BENCH"
EFFECT = """
CREATE TABLE effect_case (
    referral_id  uuid        PRIMARY KEY,
    programme_id text        NOT NULL,
    received_at  timestamptz NOT NULL
);
CREATE TABLE effect_match (
    referral_id  uuid    PRIMARY KEY,
    attempt      integer NOT NULL,
    supporter_id text    NOT NULL
);
"""
"""The domain's rows, in a database that has the chassis' own tables (inbox, outbox, consumer_offset) already."""

SUPPORTER = "s-0001"


@dataclass(frozen=True)
class Spec:
    """What a contender is given: where the servers are, an empty database, and the names of its topics."""

    bootstrap: str
    database: str
    source: str
    target: str
    partitions: int
    group: str
    """Another for each lap: what a former one has committed is not its start."""
    folder: str
    """Where the chassis finds `migrations`."""

    def environment(self) -> dict[str, str]:
        """The variable that carries it."""
        return {ENVIRONMENT: json.dumps(asdict(self))}

    @classmethod
    def read(cls) -> Self:
        """The one that this process was given."""
        return cls(**json.loads(os.environ[ENVIRONMENT]))
