"""What has a home for itself while it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import IO, ClassVar, Self

from peerline_local.home import Home


class Claimed(ABC):
    """Started on a home that nobody else may use for the same meanwhile; stopped however its use ends."""

    name: ClassVar[str]
    """What it is, for whoever finds the home in use."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._claim: IO[str] | None = None

    def start(self) -> Self:
        """
        Start it and wait until it answers.

        Raises StackError when it does not come up, the home is in use, or the disk is full; then all is stopped again.
        """
        self._claim = self.home.claim(self.name)
        try:
            self._bring_up()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it; nothing happens where it does not run."""
        self._bring_down()
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    @abstractmethod
    def _bring_up(self) -> None:
        """Start everything; the home is claimed."""

    @abstractmethod
    def _bring_down(self) -> None:
        """Stop what runs, whatever of it does."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
