"""
A short rest between two goes, so that what comes in quick succession is done together.

A batch, a round, a publication cost a dozen round trips however little they do. Under load that was most of what a
referral cost: each service took two or three events at a time, and as many commits. What comes after a quiet moment
never waits.
"""

import asyncio

REST = 0.04
"""
Seconds; at most so much is added at each of the five stations from a report to its mail. Half of it saves a quiet system
some 0.1 s a mail; but at half of its capacity a mail takes no less, since both cores are busy with ever smaller batches.
"""
SMALL = 50  # records; what is no less has its round trips' worth


class Pace:
    """Remembers when something ended."""

    def __init__(self) -> None:
        self._ended = float("-inf")

    def ended(self) -> None:
        """Something has just been done."""
        self._ended = asyncio.get_running_loop().time()

    async def rest(self) -> None:
        """Wait until it is a little while ago."""
        seconds = self._ended + REST - asyncio.get_running_loop().time()
        if seconds > 0:
            await asyncio.sleep(seconds)
