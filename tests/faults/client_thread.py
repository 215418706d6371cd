"""A client on a thread of its own that goes on over crashes of the broker."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from tests.support.wait import DEADLINE_S

FINISH_DEADLINE_S = 2 * DEADLINE_S


class ClientThread(ABC):
    """A client that is at work from `start` to `finish`."""

    def __init__(self, name: str, address: tuple[str, int], topic: str) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._address = address
        self._topic = topic
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._run_and_remember, name=name, daemon=True)

    def start(self) -> None:
        """Start to work."""
        self._thread.start()

    def finish(self) -> None:
        """Have it come to its end, and raise what went wrong."""
        self._finishing.set()
        self._thread.join(FINISH_DEADLINE_S)
        if self.failure is not None:
            raise self.failure
        assert not self._thread.is_alive(), f"{self.name} does not come to its end"

    def _run_and_remember(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failure = error

    @abstractmethod
    def _run(self) -> None:
        """Work until told to finish."""
