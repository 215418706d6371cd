"""The replica controller: carries out what broker.core.controller says of the leaders and replicas of partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from protocol.errors import KafkaError

from .metadata.image import MetadataImage
from .metadata.keys import partition_key
from .metadata.publisher import ImagePublisher
from .metadata.records import PartitionRecord, encode_partition
from .metadata.store import Compare, Put
from .metadata.writer import MetadataWriter, Write

TopicPartition = tuple[str, int]

PartitionPlan = Callable[[MetadataImage, str, int], PartitionRecord | None]
"""What to write of a partition, None for nothing; raises KafkaError."""


class ReplicaController:
    """Changes partitions one by one; what becomes of one does not hinder another."""

    def __init__(self, writer: MetadataWriter, images: ImagePublisher) -> None:
        self._writer = writer
        self._images = images

    async def change(
        self, plans: Mapping[TopicPartition, PartitionPlan], *, timeout_ms: int
    ) -> dict[TopicPartition, KafkaError]:
        """Carry out a plan for each partition; return the errors of those that stay as they are.

        Raises KafkaError for a request that fails as a whole.
        """
        if not plans:
            return {}
        return await self._writer.within(timeout_ms, self._change(plans))

    async def _change(self, plans: Mapping[TopicPartition, PartitionPlan]) -> dict[TopicPartition, KafkaError]:
        errors: dict[TopicPartition, KafkaError] = {}
        async with self._writer.lock:
            while plans:
                image = self._images.current
                writes: dict[TopicPartition, Write] = {}
                for (topic, index), plan in plans.items():
                    try:
                        record = plan(image, topic, index)
                    except KafkaError as error:
                        errors[topic, index] = error
                    else:
                        if record is not None:
                            writes[topic, index] = _write(image, topic, index, record)
                unwritten = await self._writer.write(tuple(writes.values()))
                plans = {key: plans[key] for key, write in writes.items() if write.name in unwritten}
        return errors


def _write(image: MetadataImage, topic: str, index: int, record: PartitionRecord) -> Write:
    known = image.topics[topic]
    key = partition_key(known.topic_id, index)
    return Write(key, Compare(key, known.partitions[index].mod_revision), (Put(key, encode_partition(record)),))
