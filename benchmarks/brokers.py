"""The brokers of a comparison: Ottla, and a real Kafka beside it, set up alike."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker

PEERS = ("kafka",)

_PROPERTIES = {
    # Deleted topics and segments leave the disk, and the page cache, before the next run; the default is a minute.
    "log.segment.delete.delay.ms": "500",
    "log.retention.check.interval.ms": "1000",
}
"""Of both brokers, over their defaults."""

_PROPERTIES_OF_KAFKA = {"log.initial.task.delay.ms": "500"}
"""Kafka first looks for what to delete 30 s after its start; Ottla one interval after it."""


class Broker(Protocol):
    """What the two kinds of broker have in common."""

    name: str
    executed_s: float

    @property
    def bootstrap(self) -> str:
        """`host:port` for a client."""

    @property
    def pid(self) -> int:
        """The process whose CPU and memory count."""

    def __enter__(self) -> Self:
        """Start it on an empty directory."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it and remove its data."""


def makers(peer: str | None, directory: Path | None = None) -> Sequence[Callable[[], Broker]]:
    """What makes Ottla, and what makes the peer if there is one; the brokers made are not started yet."""

    def ottla() -> Broker:
        options = [word for name, value in _PROPERTIES.items() for word in ("--set", f"{name}={value}")]
        return OttlaBroker(directory, options=options)

    def kafka() -> Broker:
        return KafkaBroker(directory, properties=_PROPERTIES | _PROPERTIES_OF_KAFKA)

    return [ottla, kafka] if peer == "kafka" else [ottla]
