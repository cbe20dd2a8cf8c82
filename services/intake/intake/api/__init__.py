"""Intake over HTTP: the doors for incident systems and coordinators."""

from intake.api import adverse_events, directory, imports, incidents, referrals

routers = (
    adverse_events.router,
    imports.router,
    directory.router,
    referrals.router,
    incidents.router,
)
