"""Composition root of the monitor."""

from pathlib import Path

from chassis import Round, Service, load, run

from sla_monitor import api, handlers, sweep
from sla_monitor.settings import Settings


def main() -> None:
    """Run the service until it is told to stop."""
    run(
        Service(
            name="sla-monitor",
            settings=load(Settings),
            consumer=handlers.consumer,
            routers=[api.router],
            rounds=[Round("sweep", sweep.run)],
            migrations=Path(__file__).parent / "migrations",
        )
    )


if __name__ == "__main__":
    main()
