"""TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from peerline_local.errors import StackError

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the ports of outgoing connections (32768 and up on
# Linux, 49152 on others): while a server is down, a client that retries could otherwise be given
# the server's own port, connect to itself, and keep the server from starting again.
_ANYWHERE = range(25_000, 30_000)
# Where a whole stack's ports may begin; apart from the others, so that they cannot take one in between.
_FIRST_BASE, _LAST_BASE = 20_000, 24_900


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger (TIME_WAIT) is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_free_port(besides: Iterable[int] = (), among: range = _ANYWHERE) -> int:
    """Return a free port of a range that is none of `besides`, or raise StackError."""
    taken = set(besides)
    for port in random.sample(among, k=500):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port found between {among.start} and {among.stop - 1}")


def choose_port_base(offsets: Iterable[int]) -> int:
    """Return a port that is free with each of these offsets added, or raise StackError."""
    wanted = tuple(offsets)
    for base in random.sample(range(_FIRST_BASE, _LAST_BASE + 1), k=500):
        if all(is_free(base + offset) for offset in wanted):
            return base
    raise StackError(f"no free ports found between {_FIRST_BASE} and {_LAST_BASE}")


def require_free(port: int, whose: str, remedy: str) -> None:
    """Raise StackError naming the port when something already listens on it."""
    if not is_free(port):
        raise StackError(f"port {port} ({whose}) is already in use: {remedy}")


def accepts(port: int) -> bool:
    """Say whether a server accepts connections on this loopback port now."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
