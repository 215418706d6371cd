"""Electing the leader of a partition when an admin asks for it (KIP-460).

Pure; codes and messages are those of Kafka's controller. A broker that is registered is taken to be there.
"""

from __future__ import annotations

from enum import IntEnum

from protocol.errors import ErrorCode, KafkaError

from ...metadata.image import MetadataImage
from ...metadata.records import PartitionRecord


class ElectionType(IntEnum):
    """Which replica is to lead."""

    PREFERRED = 0
    """The first of the assignment, in whose favour an orderly leader steps back."""
    UNCLEAN = 1
    """Where no one leads: one in sync, or else any, with what the others have more being lost."""


def elect_leader(image: MetadataImage, topic: str, index: int, election_type: ElectionType) -> PartitionRecord:
    """The partition under its new leader.

    Raises KafkaError: UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE or
    ELIGIBLE_LEADERS_NOT_AVAILABLE.
    """
    known = image.topics.get(topic)
    if known is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {topic}")
    if not 0 <= index < len(known.partitions):
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {topic}-{index}")
    partition = known.partitions[index]
    present = [node_id for node_id in partition.replicas if node_id in image.brokers]
    in_sync = [node_id for node_id in present if node_id in partition.isr]
    preferred = partition.replicas[0]
    if election_type is ElectionType.PREFERRED:
        needed = partition.leader != preferred
        candidates = [preferred] if preferred in in_sync else []
    else:
        needed = partition.leader not in present
        candidates = in_sync or present
    if not needed:
        raise KafkaError(ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
    if not candidates:
        raise KafkaError(*_UNAVAILABLE[election_type])
    leader = candidates[0]
    isr = partition.isr if leader in partition.isr else (leader,)
    return PartitionRecord(partition.replicas, isr, leader, image.next_epoch_stored(partition, leader))


_UNAVAILABLE = {
    ElectionType.PREFERRED: (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available."),
    ElectionType.UNCLEAN: (
        ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        "Eligible topic partition leaders are not available.",
    ),
}
