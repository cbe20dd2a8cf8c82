"""Composition root of the monitor."""

from pathlib import Path

from chassis import Round, Service, load, run

from sla_monitor import api, gauges, handlers, sweep
from sla_monitor.recovery import RECOVERY
from sla_monitor.settings import Settings


def service(settings: Settings) -> Service:
    """The monitor, put together."""
    return Service(
        name="sla-monitor",
        settings=settings,
        consumer=handlers.consumer,
        migrations=Path(__file__).parent / "migrations",
        routers=api.routers,
        # A deadline that stands on the topic is not published twice, and nobody may miss one: it goes on.
        rounds=[
            Round("sweep", sweep.run, while_halted=True),
            Round("gauges", gauges.run, while_halted=True, woken=False),
        ],
        recovery=RECOVERY,
    )


def main() -> None:
    """Run the monitor until it is told to stop."""
    run(service(load(Settings)))


if __name__ == "__main__":
    main()
