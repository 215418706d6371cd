"""Which brokers hold the replicas of a new topic's partitions."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, zip_longest

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
