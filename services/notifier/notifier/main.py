"""Composition root of notifier: the only reader of its settings."""

from pathlib import Path

from chassis import Round, Service, load, run

from notifier import api, attention, handlers, pages
from notifier.domain.notices import Pace
from notifier.recovery import RECOVERY
from notifier.sends import notices, overdue, sending, watching
from notifier.sends.letters import Sender
from notifier.sends.smtp import MailServer
from notifier.settings import Settings
from notifier.wakeups import NOTICES, OVERDUE, SENDING, WATCHING


def service(settings: Settings) -> Service:
    """Notifier, put together."""
    return Service(
        name="notifier",
        settings=settings,
        consumer=handlers.consumer,
        migrations=Path(__file__).parent / "migrations",
        routers=[pages.router, api.router],
        rounds=[
            Round(WATCHING, watching.run),
            # A coordinator who is told twice is not harmed, and one who is never told might be: it goes on.
            Round(NOTICES, notices.run, while_halted=True),
            Round(SENDING, sending.run),
            Round(OVERDUE, overdue.run),
        ],
        resources=[
            Sender(settings.smtp_from, str(settings.public_url).rstrip("/")),
            _mail_server(settings),
            Pace(settings.urgent_every),
        ],
        actions=api.ACTIONS,
        recovery=RECOVERY,
        tell=attention.note_own,
        checks={"outreach": api.paused},
        body_limit=16 * 1024,
    )


def _mail_server(settings: Settings) -> MailServer:
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        starttls=settings.smtp_starttls,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        timeout=settings.smtp_timeout,
        tries=settings.smtp_tries,
    )


def main() -> None:
    """Run notifier until it is told to stop."""
    run(service(load(Settings)))


if __name__ == "__main__":
    main()
