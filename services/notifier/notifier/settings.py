"""Notifier's environment variables."""

from datetime import timedelta
from typing import Annotated

from chassis import ServiceSettings
from pydantic import Field, HttpUrl, SecretStr


class Settings(ServiceSettings):
    """How mail leaves, and under which address people find their private pages."""

    smtp_host: str
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    smtp_starttls: bool = False
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: Annotated[str, Field(pattern=r"^[!-?A-~]+@[!-?A-~]+$")]
    smtp_timeout: Annotated[float, Field(gt=0, description="Seconds for one message, everything included.")] = 30
    smtp_tries: Annotated[int, Field(ge=1, description="Refusals after which a coordinator is told.")] = 8
    public_url: HttpUrl
    urgent_every: Annotated[
        timedelta, Field(ge=timedelta(0), description="At most one urgent message in this time to a coordinator.")
    ] = timedelta(minutes=15)
