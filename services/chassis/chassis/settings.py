"""A service's settings: environment variables `PEERLINE_*`, secrets also from the file in `*_FILE`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

from peerline.zones import use_packaged_zones
from pydantic import DirectoryPath, Field, FilePath, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "PEERLINE_"


class FromFiles(PydanticBaseSettingsSource):
    """Reads `PEERLINE_X` from the file that `PEERLINE_X_FILE` names, as orchestrators mount secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the field's file without outer blanks, or None."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text().strip() if path else None, field_name, False)

    def __call__(self) -> dict[str, Any]:
        """Every field that a file gives."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class ServiceSettings(BaseSettings):
    """What every service reads; a service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr
    kafka_bootstrap: str
    topic_prefix: Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)?$")] = ""
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=1, le=65535)]
    programmes: DirectoryPath
    id_key: SecretStr
    pseudonym_key: SecretStr | None = None
    store_key: SecretStr
    sealing_keys: FilePath
    opening_keys: FilePath | None = None
    tokens_file: FilePath
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    spans_file: Path | None = None
    otlp_endpoint: str | None = None

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit arguments first, then the environment, then files."""
        return (named["init_settings"], named["env_settings"], FromFiles(settings_cls))


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S]) -> S:
    """The settings of this process; ends it with one line that names each variable that is wrong."""
    use_packaged_zones()
    try:
        return settings()
    except ValidationError as error:
        faults = [
            f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors(include_input=False)
        ]
    except OSError as error:
        faults = [f"{error.filename}: {error.strerror}"]
    sys.exit("settings: " + "; ".join(faults))
