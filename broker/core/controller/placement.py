"""Which brokers hold the replicas of partitions: chosen evenly, or as a client asks for."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from itertools import chain, zip_longest

from protocol.errors import ErrorCode, KafkaError

from ...metadata.image import BrokerImage


def place_replicas(
    partition_count: int, replication_factor: int, brokers: Collection[BrokerImage], seed: int
) -> tuple[tuple[int, ...], ...]:
    """The replicas of each partition, the preferred leader first, spread evenly over brokers and racks.

    Leaders go round all brokers, from one that the seed chooses, so that topics of one partition do not all begin at
    the same broker. Followers come from other racks while there are any, and start one broker further on at each
    round, so that the brokers that share a leader's partitions are not always the same.
    """
    ring = _rack_alternating(brokers)
    assert 0 < replication_factor <= len(ring)
    if len(ring) == 1:
        return ((ring[0].node_id,),) * partition_count
    assignment = []
    for index in range(partition_count):
        start = (seed + index) % len(ring)
        shift = (seed + index) // len(ring) % (len(ring) - 1)
        others = [*ring[start + 1 :], *ring[:start]]
        others = [*others[shift:], *others[:shift]]
        assignment.append(_replicas(ring[start], others, replication_factor))
    return tuple(assignment)


def seed_of(topic_id: bytes) -> int:
    """The seed that all placements of a topic have in common."""
    return int.from_bytes(topic_id[:4], "big")


def check_factor(replication_factor: int, brokers: Collection[object]) -> None:
    """Raise KafkaError(INVALID_REPLICATION_FACTOR) if there are not as many brokers."""
    if replication_factor > len(brokers):
        message = (
            f"Unable to replicate the partition {replication_factor} time(s): The target replication factor of "
            f"{replication_factor} cannot be reached because only {len(brokers)} broker(s) are registered."
        )
        raise KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR, message)


def check_replicas(replicas: Sequence[int], brokers: Container[int], replication_factor: int | None = None) -> None:
    """Raise KafkaError(INVALID_REPLICA_ASSIGNMENT) for replicas that no partition can have, or not that many."""
    if not replicas:
        raise bad_assignment("The manual partition assignment includes an empty replica list.")
    previous = None
    for node_id in sorted(replicas):
        if node_id not in brokers:
            message = f"The manual partition assignment includes broker {node_id}, but no such broker is registered."
            raise bad_assignment(message)
        if node_id == previous:
            raise bad_assignment(f"The manual partition assignment includes the broker {node_id} more than once.")
        previous = node_id
    if replication_factor not in (None, len(replicas)):
        message = (
            f"The manual partition assignment includes a partition with {len(replicas)} replica(s), but this is not "
            f"consistent with previous partitions, which have {replication_factor} replica(s)."
        )
        raise bad_assignment(message)


def bad_assignment(message: str) -> KafkaError:
    """The error of an assignment that a client cannot have."""
    return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)


def _rack_alternating(brokers: Collection[BrokerImage]) -> list[BrokerImage]:
    """All brokers in an order in which neighbours are of different racks, as far as that goes."""
    racks: dict[str, list[BrokerImage]] = {}
    for broker in sorted(brokers, key=lambda broker: (broker.rack or "", broker.node_id)):
        racks.setdefault(broker.rack or "", []).append(broker)
    return [broker for broker in chain.from_iterable(zip_longest(*racks.values())) if broker is not None]


def _replicas(leader: BrokerImage, others: list[BrokerImage], replication_factor: int) -> tuple[int, ...]:
    chosen = [leader]
    racks = {leader.rack}
    for broker in others:  # one of each rack first
        if len(chosen) < replication_factor and broker.rack not in racks:
            chosen.append(broker)
            racks.add(broker.rack)
    for broker in others:
        if len(chosen) < replication_factor and broker not in chosen:
            chosen.append(broker)
    return tuple(broker.node_id for broker in chosen)
