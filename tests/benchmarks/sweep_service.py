"""How late the whole service tells a deadline: from its due time until the breach is on Kafka."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from aiokafka import AIOKafkaProducer
from chassis import topics
from peerline.cloudevents import headers_of
from peerline.events import DeadlineBreached, Topic
from sla_monitor.settings import Settings

from tests.benchmarks.figures import percentiles
from tests.benchmarks.sweep_engine import REAL, SPREAD, unresolved
from tests.support.killed import in_a_process
from tests.support.servers import Servers
from tests.support.workplace import PARTITIONS, PROGRAMMES, Workplace, until

WAIT, LEAD = timedelta(seconds=30), timedelta(seconds=6)
TYPE = DeadlineBreached.ce_type().encode()


async def lateness_of_service(servers: Servers, folder: Path, database: str) -> dict[str, Any]:
    """A process of the service on this database, which takes in and tells a thousand deadlines through Kafka."""
    place = Workplace(servers, folder)
    await topics.apply(servers.bootstrap, partitions=PARTITIONS, prefix=place.prefix)
    programmes = _programmes(folder / "programmes")
    settings = place.settings(
        Settings, "sla-monitor", database_url=database, programmes=programmes, log_level="warning"
    )
    async with in_a_process("sla-monitor", settings, folder) as child:
        await child.ready()
        await _ask(place)

        async def all_told() -> bool:
            return await place.count(Topic.DEADLINES) == 2 * REAL  # set, and breached

        await until(all_told, seconds=120, what="all breaches")
    records = [each for each in await place.records(Topic.DEADLINES) if dict(each.headers)["ce_type"] == TYPE]
    late = [each.timestamp / 1000 - DeadlineBreached.read(each.value).due_at.timestamp() for each in records]
    if len({each.key for each in records}) != REAL or len(records) != REAL:
        raise SystemExit(f"sweep: {len(records)} breaches of {REAL} referrals; the figure does not count")
    return percentiles(late, 50, 99) | {"most_ms": round(max(late) * 1000, 1)}


async def _ask(place: Workplace) -> None:
    now = datetime.now(UTC)
    first = now + LEAD - WAIT
    producer = AIOKafkaProducer(bootstrap_servers=place.servers.bootstrap, linger_ms=5)
    await producer.start()
    try:
        for number in range(REAL):
            event = unresolved(uuid4(), first + SPREAD * number / REAL, now)
            headers = headers_of(event, source="/peerline/intake", time=now, traceparent=None)
            topic, key = f"{place.prefix}{event.topic}", str(event.referral_id).encode()
            await producer.send(topic, event.body(), key=key, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


def _programmes(folder: Path) -> Path:
    """One programme, whose match is due soon after it was asked for."""
    folder.mkdir(parents=True)
    seconds = f"PT{WAIT.seconds}S"
    clock = {
        "kind": "match",
        "firmness": "promised",
        "due": {"rule": "elapsed", "weekday": seconds, "weekend": seconds},
    }
    shcp = yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text()) | {"clocks": [clock]}
    (folder / "shcp.yaml").write_text(yaml.safe_dump(shcp))
    return folder
