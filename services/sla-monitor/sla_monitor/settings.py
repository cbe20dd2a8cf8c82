"""What the monitor reads from its environment, and what it refuses to start with."""

from datetime import UTC, datetime
from pathlib import Path

from chassis import ServiceSettings
from peerline.programme import ProgrammeError, read_programmes
from pydantic import DirectoryPath, field_validator

from sla_monitor.promises import fault_of


class Settings(ServiceSettings):
    """The common settings; the programmes may only promise what this service can watch."""

    @field_validator("programmes")
    @classmethod
    def _clocks_are_known(cls, folder: DirectoryPath) -> Path:
        """Refuse a programme with a promise that could not be kept watch on, by the name of the field."""
        try:
            programmes = read_programmes(folder)
        except ProgrammeError as error:
            raise ValueError(str(error)) from None
        for programme in programmes.values():
            fault = fault_of(programme, datetime.now(UTC))  # no deadline is decided by it: the machine's time will do
            if fault is not None:
                raise ValueError(f"{programme.id}: {fault}")
        return folder
