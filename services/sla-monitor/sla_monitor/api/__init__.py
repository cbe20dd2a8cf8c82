"""What operators and coordinators may ask the monitor. Nothing here names a person."""

from sla_monitor.api import acknowledgements, cases, deadlines, pauses, reports

routers = (cases.router, acknowledgements.router, pauses.router, deadlines.router, reports.router)
