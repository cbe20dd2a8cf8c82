"""Composition root of matcher: the only reader of its settings."""

from pathlib import Path

from chassis import Round, Service, load, run

from matcher import api, handlers, rounds
from matcher.recovery import RECOVERY
from matcher.settings import Settings


def service(settings: Settings) -> Service:
    """Matcher, put together."""
    return Service(
        name="matcher",
        settings=settings,
        consumer=handlers.consumer,
        migrations=Path(__file__).parent / "migrations",
        routers=[api.router],
        rounds=[Round("matching", rounds.run)],
        actions=api.ACTIONS,
        recovery=RECOVERY,
    )


def main() -> None:
    """Run matcher until it is told to stop."""
    run(service(load(Settings)))


if __name__ == "__main__":
    main()
