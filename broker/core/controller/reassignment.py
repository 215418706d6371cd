"""Giving partitions other replicas (KIP-455), as far as that goes without copying any records.

Pure; codes and messages are those of Kafka's controller. An assignment of replicas that are all there already is in
force at once, as in Kafka, whether it changes their order or leaves some of them out. One that would need records on
a broker that lacks them is refused, where Kafka begins to copy them; so no reassignment is ever in progress, to be
listed or cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.errors import ErrorCode, KafkaError

from ...metadata.image import MetadataImage
from ...metadata.records import PartitionRecord
from .placement import bad_assignment, check_replicas


def reassign(
    image: MetadataImage, topic: str, index: int, target: Sequence[int] | None, *, allow_factor_change: bool
) -> PartitionRecord | None:
    """The partition with its new replicas, None where nothing changes; a `target` of None cancels.

    Raises KafkaError: UNKNOWN_TOPIC_OR_PARTITION, NO_REASSIGNMENT_IN_PROGRESS, INVALID_REPLICA_ASSIGNMENT or
    INVALID_REPLICATION_FACTOR.
    """
    known = image.topics.get(topic)
    if known is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {topic}.")
    if not 0 <= index < len(known.partitions):
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {topic}:{index}.")
    partition = known.partitions[index]
    if target is None:
        raise KafkaError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.")
    check_replicas(target, image.brokers)
    if not allow_factor_change and len(target) != len(partition.replicas):
        message = f"The replication factor is changed from {len(partition.replicas)} to {len(target)}"
        raise KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR, message)
    isr = tuple(node_id for node_id in partition.isr if node_id in target)
    added = [node_id for node_id in target if node_id not in partition.replicas]
    if added or not isr:
        lacking = added[0] if added else target[0]
        raise bad_assignment(f"Broker {lacking} lacks records of {topic}-{index}, and they cannot be copied to it yet.")
    replicas = tuple(target)
    if replicas == partition.replicas:
        return None
    leader = partition.leader if partition.leader in replicas else isr[0]
    if leader == partition.leader and len(replicas) == len(partition.replicas):
        return PartitionRecord(replicas, isr, leader, partition.leader_epoch)
    # The epoch fences whoever takes a replica that was left out for one in sync, or still follows the old leader.
    return PartitionRecord(replicas, isr, leader, image.next_epoch_stored(partition, leader))
