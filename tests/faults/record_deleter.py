"""A client that deletes records over crashes of the broker, and remembers what it was told."""

from __future__ import annotations

import random
import time

from tests.support.records_over_the_wire import list_offset
from tests.support.wire import ConnectionClosed, WireClient

from .client_thread import ClientThread


class RecordDeleter(ClientThread):
    """Deletes a part of a partition's records again and again, on a thread of its own, from `start` to `finish`."""

    def __init__(self, name: str, address: tuple[str, int], topic: str, partitions: int) -> None:
        super().__init__(name, address, topic)
        self.low_watermarks = [0] * partitions
        """By partition: the highest start of its log that was acknowledged."""
        self.acknowledged = 0

    def _run(self) -> None:
        choice = random.Random()
        while not self._finishing.is_set():
            try:
                with WireClient(self._address) as client:
                    while not self._finishing.is_set():
                        self._delete(client, choice.randrange(len(self.low_watermarks)), choice.random())
            except (ConnectionClosed, OSError):
                time.sleep(0.005)  # The broker is down, and is about to be started again.

    def _delete(self, client: WireClient, partition: int, share: float) -> None:
        start, end = (list_offset(client, self._topic, which, partition=partition).offset for which in (-2, -1))
        offset = start + round((end - start) * share)
        wanted = [{"partition_index": partition, "offset": offset}]
        answer = client.ask("DeleteRecords", 2, topics=[{"name": self._topic, "partitions": wanted}], timeout_ms=30_000)
        (answered,) = answer.topics[0].partitions
        assert answered.error_code == 0, f"{self.name}: {answered}"
        assert answered.low_watermark >= offset
        self.low_watermarks[partition] = max(self.low_watermarks[partition], answered.low_watermark)
        self.acknowledged += 1
