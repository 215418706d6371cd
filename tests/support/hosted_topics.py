"""A broker cut down to what the data handlers use: real partitions and logs, a driven clock, a made-up image."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from broker.cold_reads import ColdReads
from broker.config import Config
from broker.context import RequestContext
from broker.delayed import DelayedRequests
from broker.fetch_sessions import FetchSessionCache
from broker.metadata.image import BrokerImage, ImageDelta, MetadataImage, PartitionImage, TopicImage
from broker.partition import Partition
from broker.partitions import PartitionTable
from broker.record_deletion import RecordDeletion
from broker.security.acl import AclOperation, ResourceType
from protocol.codec import decoder, encoder
from protocol.records import Record
from storage.file_span import FileSpan
from storage.filesystem import Filesystem
from storage.log_config import LogConfig
from storage.log_manager import LogManager
from tests.support.built_batches import build_batch
from tests.support.manual_clock import ManualClock

NODE_ID = 1
OTHER_NODE_ID = 2


class Denying:
    """An authorizer that allows all but what it is told."""

    def __init__(self) -> None:
        self.denied: set[tuple[AclOperation, ResourceType, str]] = set()

    def authorize(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType, name: str
    ) -> bool:
        return (operation, resource_type, name) not in self.denied

    def authorize_by_resource_type(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        return True


class FakeConnection:
    """Only remembers whether and why it was closed."""

    principal = "User:ANONYMOUS"
    peer_host = "127.0.0.1"

    def __init__(self) -> None:
        self.closed_because: str | None = None

    def close(self, reason: str | None = None) -> None:
        self.closed_because = reason


class Images:
    """Holds the image that handlers see."""

    def __init__(self) -> None:
        self.current = MetadataImage(
            brokers={
                NODE_ID: BrokerImage(NODE_ID, 0, None),
                OTHER_NODE_ID: BrokerImage(OTHER_NODE_ID, 0, "r2"),
            }
        )


class HostedTopics:
    """The broker that a RequestContext of these tests points to."""

    def __init__(
        self, directory: Path, settings: Mapping[str, str] | None = None, filesystem: Filesystem | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.node_id = NODE_ID
        self.clock = ManualClock()
        self.config = Config({"node.id": str(NODE_ID), **(settings or {})})
        self.authorizer = Denying()
        self.delayed = DelayedRequests(self.clock)
        self.cold_reads = ColdReads()
        self.images = Images()
        self.logs = LogManager(
            [str(directory)],
            filesystem or Filesystem(),
            cluster_id="cluster",
            node_id=NODE_ID,
            now_ms=self.clock.now_ms,
            on_offline=self._take_offline,
        )
        self.logs.load({}, lambda topic: LogConfig())
        self.partitions = PartitionTable(self.config, self.clock, self.logs, self.delayed)
        self.record_deletion = RecordDeletion(self.partitions, self.logs, self.clock)
        self.fetch_sessions = FetchSessionCache(
            self.config.int("max.incremental.fetch.session.cache.slots"), self.clock
        )
        self.connection = FakeConnection()
        self._topic_ids = 0

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return asyncio.ensure_future(coroutine)

    def advertised(self, node_id: int, connection: object) -> tuple[str, int] | None:
        return {NODE_ID: ("localhost", 9092), OTHER_NODE_ID: ("localhost", 9093)}.get(node_id)

    def close(self) -> None:
        self.delayed.complete_all()
        self.logs.close(clean=False)

    def _take_offline(self, lost: Sequence[tuple[str, int]]) -> None:
        """Called in whichever thread met the error."""
        self._loop.call_soon_threadsafe(self.partitions.take_offline, lost)

    # --- topics ------------------------------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        partitions: int = 1,
        configs: Mapping[str, str] | None = None,
        *,
        leaders: Sequence[int] = (),
        placement: PartitionImage | None = None,
    ) -> TopicImage:
        """Make a topic led by this broker, but for the partitions that `leaders` places elsewhere."""
        self._topic_ids += 1
        placements = tuple(
            placement or PartitionImage((leader,), (leader,), leader, 0)
            for leader in (*leaders, *[NODE_ID] * (partitions - len(leaders)))
        )
        topic = TopicImage(
            name, self._topic_ids.to_bytes(16, "big"), dict(configs or {}), placements, name.startswith("__"), 1
        )
        await self.publish(created=(topic,))
        return topic

    async def delete(self, topic: TopicImage) -> None:
        await self.publish(deleted=(topic,))

    async def replace(self, topic: TopicImage, **changes: Any) -> TopicImage:
        successor = dataclasses.replace(topic, **changes)
        await self.publish(changed=((topic, successor),))
        return successor

    async def publish(
        self,
        created: tuple[TopicImage, ...] = (),
        deleted: tuple[TopicImage, ...] = (),
        changed: tuple[tuple[TopicImage, TopicImage], ...] = (),
    ) -> None:
        """Do as the ImagePublisher: let the table prepare, then show the image."""
        old = self.images.current
        gone = {topic.name for topic in deleted}
        topics = {name: topic for name, topic in old.topics.items() if name not in gone}
        topics |= {topic.name: topic for topic in created}
        topics |= {successor.name: successor for _, successor in changed}
        new = dataclasses.replace(old, topics=topics, topics_by_id={topic.topic_id: topic for topic in topics.values()})
        await self.partitions.prepare(old, new, ImageDelta(created, deleted, changed))
        self.images.current = new

    def partition(self, topic: str, index: int = 0) -> Partition:
        found = self.partitions.get(topic, index)
        assert found is not None
        return found

    def append(self, topic: str, *values: bytes, index: int = 0, timestamp: int | None = None) -> None:
        """Append one batch of these values as a producer would."""
        self.partition(topic, index).append_as_leader(
            memoryview(batch(*values, timestamp=self.clock.now_ms() if timestamp is None else timestamp)),
            self.clock.now_ms(),
            acks=1,
        )

    # --- requests ----------------------------------------------------------------------------------------------

    def context(self, api_version: int, client_id: str = "tests") -> RequestContext:
        broker: Any = self
        connection: Any = self.connection
        return RequestContext(broker, connection, 0, api_version, client_id, 0)


def batch(*values: bytes, timestamp: int = 0, **producer: int) -> bytearray:
    """One uncompressed batch; `producer`: producer_id, producer_epoch, base_sequence, attributes."""
    return build_batch(
        [Record(offset=i, timestamp=timestamp, key=None, value=value, headers=()) for i, value in enumerate(values)],
        **producer,
    )


def over_the_wire(response: Any, version: int) -> Any:
    """Encode a response and decode it again, as its client sees it; spans are read, released, and become bytes."""
    parts: list[Any] = []
    encoder(type(response), version)(response, parts)
    wire = b""
    for part in parts:
        if isinstance(part, FileSpan):
            wire += part.read()
            part.release()
        else:
            wire += part
    decoded, end = decoder(type(response), version)(memoryview(wire), 0)
    assert end == len(wire)
    return decoded
