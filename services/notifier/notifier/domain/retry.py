"""How long to wait before a refused message is tried again."""

from datetime import timedelta


def backoff(tries: int, chance: float, *, base: timedelta, cap: timedelta) -> timedelta:
    """
    The wait after `tries` refusals (from 1): doubled each time up to `cap`, of which half is left to `chance`.

    `chance` is a random number in [0, 1); half of the wait is kept, so that a busy server is let alone.
    """
    full: timedelta = min(cap, base * int(2 ** min(tries - 1, 32)))
    return full / 2 + full / 2 * chance
