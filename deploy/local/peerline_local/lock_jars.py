"""
Make `kafka.lock` anew, after a change of Kafka's version below.

    python -m peerline_local.lock_jars > new.lock && mv new.lock deploy/local/kafka.lock

Resolves the dependencies, downloads each jar once, checks it against the SHA-1 that the
repository publishes beside it, and prints coordinates, sizes and SHA-256.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import jgo

from peerline_local.jars import Jar, repository_address

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka's own release has it, its POM does not: without it nothing would be logged at all.
# Its version is that of the log4j-core which Kafka asks for. It is added alone: resolved together
# with Kafka, its parent's version table would also decide the versions of Kafka's own parts.
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")

_HEAD = f"""\
# Apache Kafka's broker and what it needs to run: SHA-256, size in bytes, coordinates.
# Made by `python -m peerline_local.lock_jars` from {KAFKA}
# and {":".join(LOGGING)}. Do not edit.
"""


def main() -> None:
    """Print the lock."""
    with httpx.Client(timeout=60, follow_redirects=True) as client, ThreadPoolExecutor(8) as pool:
        resolved = {(a.groupId, a.artifactId, a.version) for a in jgo.resolve(KAFKA)}
        jars = list(pool.map(lambda it: _lock(client, *it), sorted({*resolved, LOGGING})))
    if len({jar.name for jar in jars}) != len(jars):
        raise SystemExit("two jars have the same file name: one flat folder cannot hold them")
    lines = (f"{j.sha256} {j.size} {j.group}:{j.artifact}:{j.version}" for j in jars)
    print(_HEAD + "\n".join(lines))


def _lock(client: httpx.Client, group: str, artifact: str, version: str) -> Jar:
    path = Jar(group, artifact, version, sha256="", size=0).path
    address = f"{repository_address()}/{path}"
    body = client.get(address).raise_for_status().content
    published = client.get(f"{address}.sha1").raise_for_status().text.split()[0]
    if hashlib.sha1(body, usedforsecurity=False).hexdigest() != published:
        raise SystemExit(f"{path} does not match the SHA-1 published beside it")
    return Jar(group, artifact, version, hashlib.sha256(body).hexdigest(), len(body))


if __name__ == "__main__":
    main()
