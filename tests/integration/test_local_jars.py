"""Kafka's jars: exactly those of the lock, each verified."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from peerline_local.errors import StackError
from peerline_local.jars import Jar, ensure_jars, read_lock

CONTENT = b"what a jar holds"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository on the loopback address, its files in the folder given."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PEERLINE_MAVEN_URL", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


def a_jar(repository: Path | None = None, *, content: bytes = CONTENT, artifact: str = "thing") -> Jar:
    jar = Jar("org.example", artifact, "1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    if repository is not None:
        path = repository / jar.path
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return jar


def test_a_missing_jar_is_downloaded_and_one_that_is_there_is_not(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    jar = a_jar(repository)

    first = ensure_jars([jar], folder=cache)
    (repository / jar.path).unlink()
    second = ensure_jars([jar], folder=cache)

    assert first == second == (cache / "thing-1.0.jar",)
    assert first[0].read_bytes() == CONTENT


def test_a_jar_tampered_with_in_the_cache_is_named(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (path,) = ensure_jars([a_jar(repository)], folder=cache)
    path.write_bytes(CONTENT + b".")

    with pytest.raises(StackError, match=r"^\S+/thing-1.0.jar does not match its SHA-256 in kafka.lock: delete it .*$"):
        ensure_jars([a_jar()], folder=cache)


def test_a_jar_tampered_with_on_the_way_never_reaches_the_cache(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    with pytest.raises(StackError, match=r"^thing-1.0.jar from 127.0.0.1:\d+ does not match its SHA-256 .*$"):
        ensure_jars([a_jar(repository, content=b"something else")], folder=cache)

    assert list(cache.iterdir()) == []


def test_a_jar_that_the_repository_does_not_have_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^cannot download thing-1.0.jar from \S+: it answered 404 \(.*\)$"):
        ensure_jars([a_jar()], folder=tmp_path / "cache")


def test_a_network_that_is_away_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PEERLINE_MAVEN_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    with pytest.raises(StackError, match=r"^cannot download thing-1.0.jar from 127.0.0.1:1: .*PEERLINE_MAVEN_URL\)$"):
        ensure_jars([a_jar()], folder=tmp_path / "cache")


def test_a_wrong_line_of_the_lock_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "kafka.lock"
    lock.write_text("# a comment\nabcd 12 org.example:thing:1.0\n")

    with pytest.raises(StackError, match=r"kafka.lock, line 2: "):
        read_lock(lock)


def test_the_lock_names_one_kafka_and_no_file_twice() -> None:
    locked = read_lock()

    versions = {jar.version for jar in locked if jar.group == "org.apache.kafka"}
    assert len(versions) == 1
    assert len({jar.name for jar in locked}) == len(locked)
