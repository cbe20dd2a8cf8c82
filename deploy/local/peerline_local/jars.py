"""Kafka's jars: exactly those of `kafka.lock`, each verified, in one folder of the user's cache."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import platformdirs

from peerline_local.errors import StackError, disk_errors_in_one_line

_DOWNLOADS_AT_ONCE = 8
_TRIES = 4
_CHUNK_BYTES = 256 * 1024
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Jar:
    """One file of the lock: its Maven coordinates, its SHA-256 (hex) and its size in bytes."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name, here and in a repository."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Where a Maven repository keeps it, relative to the repository's address."""
        return "/".join((*self.group.split("."), self.artifact, self.version, self.name))


def lock_path() -> Path:
    """Return the lock: beside the package in a checkout, inside it once installed."""
    package = Path(__file__).parent
    installed = package / "kafka.lock"
    return installed if installed.exists() else package.parent / "kafka.lock"


def read_lock(path: Path | None = None) -> tuple[Jar, ...]:
    """Return the jars that a lock names, or raise StackError saying which line is wrong."""
    path = path or lock_path()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise StackError(f"the list of Kafka's jars is missing: {path}") from None
    numbered = enumerate((line.strip() for line in lines), start=1)
    return tuple(_read_line(path, number, line) for number, line in numbered if line and line[0] != "#")


def _read_line(path: Path, number: int, line: str) -> Jar:
    try:
        sha256, size, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        if len(bytes.fromhex(sha256)) != 32:
            raise ValueError
        return Jar(group, artifact, version, sha256, int(size))
    except ValueError:
        raise StackError(f"{path}, line {number}: not 'sha256 bytes group:artifact:version'") from None


def cache_folder() -> Path:
    """Return where downloads are kept: PEERLINE_CACHE, or the platform's cache folder."""
    chosen = os.environ.get("PEERLINE_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else platformdirs.user_cache_path("peerline")


def repository_address() -> str:
    """Return the Maven repository to ask: PEERLINE_MAVEN_URL, or the one that jgo asks."""
    mirror = os.environ.get("PEERLINE_MAVEN_URL")
    if mirror:
        return mirror.rstrip("/")
    from jgo.constants import MAVEN_CENTRAL_URL  # here: it takes 0.3 s, and is seldom needed

    return MAVEN_CENTRAL_URL


def ensure_jars(
    jars: Iterable[Jar] | None = None,
    *,
    folder: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """
    Return the jars' paths, in the order of the lock, downloading those that are missing.

    Every file is verified each time, those already there too. Raises StackError when one cannot
    be had, does not match the lock, or does not fit on the disk.
    """
    wanted = tuple(read_lock() if jars is None else jars)
    folder = folder or cache_folder() / "jars"
    with disk_errors_in_one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        present = tuple(pool.map(lambda jar: _is_present(jar, folder), wanted))
        missing = [jar for jar, here in zip(wanted, present, strict=True) if not here]
        if missing:
            mebibytes = sum(jar.size for jar in missing) / 2**20
            report(f"Downloading {len(missing)} of Kafka's jars, {mebibytes:.0f} MiB")
            _download(missing, folder, pool)
    return tuple(folder / jar.name for jar in wanted)


def _is_present(jar: Jar, folder: Path) -> bool:
    path = folder / jar.name
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return False
    if found != jar.sha256:
        raise StackError(f"{path} does not match its SHA-256 in kafka.lock: delete it and try again")
    return True


def _download(jars: list[Jar], folder: Path, pool: ThreadPoolExecutor) -> None:
    repository = repository_address()
    with httpx.Client(timeout=30, follow_redirects=True) as client:
        try:
            list(pool.map(lambda jar: _download_one(client, repository, jar, folder), jars))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # the others would only fail the same way
            raise


def _download_one(client: httpx.Client, repository: str, jar: Jar, folder: Path) -> None:
    """Fetch one jar, trying again after what may pass, and put it in place when it is right."""
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch(client, f"{repository}/{jar.path}", jar, folder)
            return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if attempt == _TRIES or not _may_pass(error):
                raise StackError(_why_not(jar, repository, error)) from None
            time.sleep(0.5 * 2**attempt)


def _fetch(client: httpx.Client, address: str, jar: Jar, folder: Path) -> None:
    """Download beside the final place, verify, then rename: a reader never sees half a jar."""
    draft = folder / f".{jar.name}.{secrets.token_hex(4)}"
    digest = hashlib.sha256()
    with disk_errors_in_one_line(folder):
        try:
            with client.stream("GET", address) as response, draft.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != jar.sha256:
                host = urlsplit(address).netloc
                raise StackError(f"{jar.name} from {host} does not match its SHA-256 in kafka.lock")
            draft.replace(folder / jar.name)
        finally:
            draft.unlink(missing_ok=True)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _WORTH_ANOTHER_TRY
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _why_not(jar: Jar, repository: str, error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        reason = f"it answered {error.response.status_code}"
    else:
        reason = str(error) or type(error).__name__
    return (
        f"cannot download {jar.name} from {urlsplit(repository).netloc or repository}: {reason}"
        " (check the network, or name a mirror in PEERLINE_MAVEN_URL)"
    )
