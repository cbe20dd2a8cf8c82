"""What every service needs and no service is about: the delivery path, HTTP defaults, telemetry."""

from chassis.consumer import Consumer, FeedRecord, Refused
from chassis.failures import THE_WORLD
from chassis.freshness import Horizon
from chassis.operations import stays
from chassis.recovery import Recovery
from chassis.rounds import Round
from chassis.service import Service, run
from chassis.settings import ServiceSettings, load
from chassis.work import Transactions, UnitOfWork
from chassis.worklist import Item

__all__ = [
    "THE_WORLD",
    "Consumer",
    "FeedRecord",
    "Horizon",
    "Item",
    "Recovery",
    "Refused",
    "Round",
    "Service",
    "ServiceSettings",
    "Transactions",
    "UnitOfWork",
    "load",
    "run",
    "stays",
]
