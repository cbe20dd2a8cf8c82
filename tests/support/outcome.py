"""What can be seen of messages afterwards: their rows, the steps, the worklist, the mailbox."""

from collections.abc import Collection
from typing import Any

from peerline.compartments import SupporterContact

from tests.support.notifier_place import Referral, steps
from tests.support.scripted_smtp import Delivery, ScriptedServer
from tests.support.workplace import Running, Workplace, until

COORDINATOR = "coordinator@shcp.example.org"


def a_supporter(number: int = 1) -> SupporterContact:
    return SupporterContact(supporter_id=f"sup-{number}", name=f"Dr S{number}", email=f"s{number}@staff.example")


async def ask(place: Workplace, *referrals: Referral) -> None:
    """Have the n-th supporter asked about the n-th referral, the names of which are numbers."""
    for referral in referrals:
        await place.publish(referral.created(), referral.proposed(supporter=a_supporter(int(referral.name))))


def questions(post: ScriptedServer, number: int = 1) -> list[Delivery]:
    """What the n-th supporter has got."""
    return post.to(a_supporter(number).email)


def told(post: ScriptedServer, referral: Referral) -> int:
    """How many messages the coordinator has got about a referral."""
    return sum(str(referral.id) in delivery.text for delivery in post.to(COORDINATOR))


async def state(running: Running, referral: Referral, message: str = "supporter-asked") -> list[tuple[str, int]]:
    """The state and the tries of the messages of one kind about a referral, in the order of their planning."""
    rows = await running.fetch(
        "SELECT state, tries FROM send WHERE referral_id = $1 AND message = $2 ORDER BY planned_at",
        referral.id,
        message,
    )
    return [(row["state"], row["tries"]) for row in rows]


async def wait_for_state(
    running: Running, referral: Referral, wanted: str | Collection[str], *, seconds: float = 60
) -> None:
    """Wait until the last question about a referral is in this state, or one of these."""

    async def holds() -> bool:
        found = await state(running, referral)
        return bool(found) and found[-1][0] in ([wanted] if isinstance(wanted, str) else wanted)

    await until(holds, seconds=seconds, what=f"a message that is {wanted}")


async def wait_until_told(post: ScriptedServer, referral: Referral) -> None:
    async def is_told() -> bool:
        return bool(told(post, referral))

    await until(is_told, seconds=60, what="a message to the coordinator")


async def items(running: Running, referral: Referral) -> list[dict[str, Any]]:
    """What is on the worklist about a referral."""
    listed = (await running.client.get("/v1/worklist")).json()["items"]
    return [item for item in listed if item["referral_id"] == str(referral.id)]


async def kinds(running: Running, referral: Referral) -> list[str]:
    return [item["kind"] for item in await items(running, referral)]


async def logged(place: Workplace, referral: Referral, *wanted: str) -> None:
    """Wait until exactly these public steps have been logged about a referral."""

    async def as_wanted() -> bool:
        return [step for step in await steps(place, referral.id) if step] == list(wanted)

    await until(as_wanted, seconds=60, what=f"{wanted}")
