"""How Metadata shows the topics of the image: encoded once, and kept as long as nothing that goes in has changed.

Clients ask for the same topics again and again, some for thousands of partitions. Whatever they ask for is put together
from one piece a topic, so that a change costs the topic that has changed. A piece is the same for everybody who asks in
the same version over a listener that reaches the same nodes: who may see the topic is decided at each request, and
where the nodes are is no part of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from protocol.codec import encoder
from protocol.errors import ErrorCode
from protocol.messages.metadata import MetadataResponsePartition, MetadataResponseTopic

from .metadata.image import NO_LEADER, MetadataImage, PartitionImage, TopicImage
from .partitions import PartitionTable

# A version and the nodes that a listener reaches: few of them are in use at a time.
_VIEWS_MAX = 16
_STALE_MAX = 64


class TopicDescriptions:
    """The descriptions of one broker's topics, in every version that is asked for."""

    def __init__(self, node_id: int, partitions: PartitionTable) -> None:
        self._node_id = node_id
        self._partitions = partitions
        self._views: dict[tuple[int, frozenset[int]], TopicsView] = {}

    def __len__(self) -> int:
        """How many views are kept."""
        return len(self._views)

    def view(self, image: MetadataImage, version: int, reachable: frozenset[int]) -> TopicsView:
        """Return the image's topics as the version shows them to clients that reach those nodes."""
        key = (version, reachable)
        view = self._views.get(key)
        offline = self._partitions.offline
        if view is None or view.image.brokers is not image.brokers or view.offline is not offline:
            self._views.pop(key, None)
            if len(self._views) >= _VIEWS_MAX:
                del self._views[next(iter(self._views))]
            view = self._views[key] = TopicsView(self._node_id, image, offline, version, reachable)
        elif view.image is not image:
            view.follow(image)
        return view


class _Placement(NamedTuple):
    """What the partitions of one placement have in common."""

    error: ErrorCode
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


class TopicsView:
    """Topics in one version, for clients that reach the same nodes, while the brokers and the failed logs stay."""

    def __init__(
        self,
        node_id: int,
        image: MetadataImage,
        offline: frozenset[tuple[bytes, int]],
        version: int,
        reachable: frozenset[int],
    ) -> None:
        self.image = image
        """The last one that was asked for."""
        self.offline = offline
        self._node_id = node_id
        self._version = version
        self._reachable = reachable
        self._encode = encoder(MetadataResponseTopic, version)
        self._encoded: dict[TopicImage, bytes] = {}
        self._placements: dict[PartitionImage, _Placement] = {}

    def __len__(self) -> int:
        """How many topics are kept."""
        return len(self._encoded)

    def follow(self, image: MetadataImage) -> None:
        """Go on with a later image of the same brokers, without what it does not have any more."""
        self.image = image
        if len(self._encoded) > 2 * len(image.topics) + _STALE_MAX:
            kept = self._encoded
            self._encoded = {topic: kept[topic] for topic in image.topics.values() if topic in kept}
            self._placements.clear()

    def encoded(self, topic: TopicImage) -> bytes:
        """Return what stands for a topic of the image in an answer that shows no authorized operations."""
        encoded = self._encoded.get(topic)
        if encoded is None:
            parts: list[Any] = []
            self._encode(self.describe(topic), parts)
            encoded = self._encoded[topic] = b"".join(parts)
        return encoded

    def describe(self, topic: TopicImage) -> MetadataResponseTopic:
        """Return the same as an object."""
        return MetadataResponseTopic(
            error_code=ErrorCode.NONE,
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.internal,
            partitions=[self._partition(topic, index, image) for index, image in enumerate(topic.partitions)],
        )

    def _partition(self, topic: TopicImage, index: int, image: PartitionImage) -> MetadataResponsePartition:
        placement = self._placements.get(image)
        if placement is None:
            gone = [node_id for node_id in image.replicas if node_id not in self.image.brokers]
            placement = self._placements[image] = self._place(image, gone)
        if self.offline and (topic.topic_id, index) in self.offline:  # this broker's log has failed
            placement = self._place(image, [*placement.offline, self._node_id])
        return MetadataResponsePartition(
            error_code=placement.error,
            partition_index=index,
            leader_id=placement.leader,
            leader_epoch=placement.leader_epoch,
            replica_nodes=placement.replicas,
            isr_nodes=placement.isr,
            offline_replicas=placement.offline,
        )

    def _place(self, image: PartitionImage, offline: list[int]) -> _Placement:
        replicas, isr = list(image.replicas), list(image.isr)
        leader, error = image.leader, ErrorCode.NONE
        if leader not in self.image.brokers or leader in offline:
            leader, error = NO_LEADER, ErrorCode.LEADER_NOT_AVAILABLE
        elif leader not in self._reachable:
            leader = NO_LEADER
            error = ErrorCode.LISTENER_NOT_FOUND if self._version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
        elif self._version == 0 and not self._reachable.issuperset(replicas):
            # The oldest clients look every replica up among the brokers.
            replicas = [node_id for node_id in replicas if node_id in self._reachable]
            isr = [node_id for node_id in isr if node_id in self._reachable]
            error = ErrorCode.REPLICA_NOT_AVAILABLE
        return _Placement(error, leader, self.image.current_epoch(image), replicas, isr, offline)
