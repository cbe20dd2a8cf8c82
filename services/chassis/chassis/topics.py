"""The topics as they must be: auto-creation is off, so that a wrong name never makes a topic."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from peerline.events import Topic

PARTITIONS = 6
DAY = 24 * 60 * 60 * 1000
RETENTION = {Topic.ADVERSE_EVENTS: 14 * DAY}
RETENTION_DEFAULT = 35 * DAY


async def apply(
    bootstrap: str, *, replication: int = 1, min_insync: int = 1, partitions: int = PARTITIONS, prefix: str = ""
) -> list[str]:
    """Create the topics that are missing; gives their names. Raises KafkaError for anything else."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        known = set(await admin.list_topics())
        wanted = [
            _new(f"{prefix}{topic}", partitions, replication, min_insync)
            for topic in Topic
            if f"{prefix}{topic}" not in known
        ]
        if not wanted:
            return []
        reply = await admin.create_topics(wanted)
        for name, code, *_ in reply.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
        return [topic.name for topic in wanted]
    finally:
        await admin.close()


def _new(name: str, partitions: int, replication: int, min_insync: int) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication,
        topic_configs={
            "cleanup.policy": "delete",
            "retention.ms": str(RETENTION.get(Topic.of(name), RETENTION_DEFAULT)),
            "min.insync.replicas": str(min_insync),
        },
    )
