"""Kafka's VerifiableProducer and VerifiableConsumer, which its own system tests are made with."""

from __future__ import annotations

from pathlib import Path

from .java_process import JavaProcess

ASSIGNORS = {
    "range": "RangeAssignor",
    "roundrobin": "RoundRobinAssignor",
    "cooperative-sticky": "CooperativeStickyAssignor",
}
"""By their names in the protocol, the classes of Kafka's assignors."""

_SESSION_TIMEOUT_MS = 6_000
_CONFIG = "heartbeat.interval.ms=100\nfetch.max.wait.ms=100\n"


class VerifiableProducer(JavaProcess):
    """Produces the numbers from 0 on, at most so many a second."""

    def __init__(self, directory: Path, bootstrap: str, topic: str, *, messages: int, throughput: int) -> None:
        super().__init__(
            directory / "producer.log",
            "org.apache.kafka.tools.VerifiableProducer",
            *("--bootstrap-server", bootstrap, "--topic", topic, "--max-messages", str(messages)),
            *("--throughput", str(throughput), "--repeating-keys", "100"),
        )


class VerifiableConsumer(JavaProcess):
    """A member of a group that commits after each batch it has read."""

    def __init__(self, directory: Path, bootstrap: str, group: str, topic: str, assignor: str = "range") -> None:
        config = directory / "consumer.properties"
        config.write_text(_CONFIG)
        super().__init__(
            directory / "consumer.log",
            "org.apache.kafka.tools.VerifiableConsumer",
            *("--bootstrap-server", bootstrap, "--group-id", group, "--topic", topic, "--group-protocol", "classic"),
            *("--assignment-strategy", f"org.apache.kafka.clients.consumer.{ASSIGNORS[assignor]}"),
            *("--session-timeout", str(_SESSION_TIMEOUT_MS), "--command-config", str(config)),
        )

    @property
    def owned(self) -> set[int]:
        """The partitions that it has now: what it was given, less what was taken."""
        owned: set[int] = set()
        for event in list(self.events):
            partitions = {each["partition"] for each in event.get("partitions", ())}
            if event["name"] == "partitions_assigned":
                owned |= partitions
            elif event["name"] == "partitions_revoked":
                owned -= partitions
        return owned

    @property
    def taken(self) -> list[set[int]]:
        """The partitions that each rebalance took from it."""
        return [{each["partition"] for each in event["partitions"]} for event in self.named("partitions_revoked")]

    @property
    def consumed(self) -> set[tuple[int, int]]:
        """Partition and offset of each record that it has read."""
        return {
            (read["partition"], offset)
            for event in self.named("records_consumed")
            for read in event["partitions"]
            for offset in range(read["minOffset"], read["maxOffset"] + 1)
        }
