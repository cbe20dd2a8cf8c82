"""What the monitor reads from its environment, and what it refuses to start with."""

from pathlib import Path

from chassis import ServiceSettings
from peerline.programme import ProgrammeError, read_programmes
from pydantic import DirectoryPath, field_validator

from sla_monitor.domain.facts import KINDS


class Settings(ServiceSettings):
    """The common settings; the programmes may only promise what this service can watch."""

    @field_validator("programmes")
    @classmethod
    def _clocks_are_known(cls, folder: DirectoryPath) -> Path:
        """Refuse a programme with a clock that nothing here would start: its promise would go unwatched."""
        try:
            programmes = read_programmes(folder)
        except ProgrammeError as error:
            raise ValueError(str(error)) from None
        for programme in programmes.values():
            for clock in programme.clocks:
                if clock.kind not in KINDS:
                    raise ValueError(f"{programme.id}: clocks: {clock.kind} is not a clock that can be watched")
        return folder
