"""Intake's environment variables."""

from chassis import ServiceSettings
from pydantic import DirectoryPath, FilePath


class Settings(ServiceSettings):
    """`PEERLINE_SOURCES` is the file of incident systems, `PEERLINE_SOURCE_SECRETS` the folder of their secrets."""

    sources: FilePath
    source_secrets: DirectoryPath
