"""The composition root of intake: the only reader of its settings."""

import sys
from pathlib import Path

from chassis import Round, Service, load, run

from intake import actions, handlers, rounds
from intake.api import routers
from intake.deliveries import Deliveries
from intake.recovery import RECOVERY
from intake.settings import Settings
from intake.signatures import SecretFault, read_secrets
from intake.sources import SourcesError, load_sources

#: Directories and files of incidents are larger than what a webhook may bring.
BODY_LIMIT = 5 * 1024 * 1024


def service(settings: Settings) -> Service:
    """Intake as these settings describe it; raises SourcesError or SecretFault."""
    sources = load_sources(settings.sources)
    return Service(
        name="intake",
        settings=settings,
        consumer=handlers.consumer,
        migrations=Path(__file__).parent / "migrations",
        routers=routers,
        rounds=[Round("reviews", rounds.run)],
        resources=[sources, read_secrets(settings.source_secrets, sources), Deliveries()],
        actions=actions.ACTIONS,
        recovery=RECOVERY,
        body_limit=BODY_LIMIT,
    )


def main() -> None:
    """Run intake until it is told to stop."""
    settings = load(Settings)
    try:
        ready = service(settings)
    except (SourcesError, SecretFault) as fault:
        sys.exit(f"intake: {fault}")
    run(ready)


if __name__ == "__main__":
    main()
