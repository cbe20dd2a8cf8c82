"""What matcher needs beside every service's settings: the keys to pseudonyms and to its compartments."""

from chassis import ServiceSettings
from pydantic import FilePath, SecretStr


class Settings(ServiceSettings):
    """Environment variables `PEERLINE_*` of matcher."""

    pseudonym_key: SecretStr
    opening_keys: FilePath
