"""Records that flow into a topic while a test does something else."""

from __future__ import annotations

import itertools
import threading
from typing import Self

from tests.support.records_over_the_wire import produce
from tests.support.wait import wait_until
from tests.support.wire import WireClient

_PAUSE_S = 0.002


class RecordFlow:
    """A context manager with a thread that produces records one by one, to all partitions in turn."""

    def __init__(self, address: tuple[str, int], topic: str, partitions: int) -> None:
        self.ends = [0] * partitions
        """By partition: the offset after the last record."""
        self._address = address
        self._topic = topic
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="record flow", daemon=True)

    def await_more(self, count: int) -> None:
        """Wait until so many more records are there."""
        total = sum(self.ends) + count
        wait_until(lambda: sum(self.ends) >= total, f"{count} more records are produced")

    def stop(self) -> None:
        """Produce no more."""
        self._stopping.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        with WireClient(self._address) as client:
            for partition in itertools.cycle(range(len(self.ends))):
                self.ends[partition] = produce(client, self._topic, b"flowing", partition=partition) + 1
                if self._stopping.wait(_PAUSE_S):
                    return
