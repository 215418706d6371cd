"""What a starting broker writes: the cluster id if there is none, and that it was started once more."""

from __future__ import annotations

from protocol.uuid import uuid_to_text

from ..random_uuid import random_uuid
from .keys import BROKERS, CLUSTER_ID, broker_key, parse_broker_key
from .records import BrokerRecord, decode_broker, encode_broker
from .store import Compare, MetadataStore, Put, StoreError


async def check_owner(store: MetadataStore, node_id: int) -> None:
    """Raise StoreError where the data is another broker's: this one would lead none of its partitions."""
    known = [parse_broker_key(item.key) for item in (await store.range(BROKERS)).items]
    if known and node_id not in known:
        ids = " and ".join(map(str, sorted(known)))
        raise StoreError(f"The data is that of node.id={ids}, not {node_id}: give that id, or another data directory.")


async def register_broker(
    store: MetadataStore, node_id: int, rack: str | None, wanted_cluster_id: str | None = None
) -> str:
    """Count this start of the broker and return the cluster's id, made or brought along by whoever is first.

    The start count is part of every leader epoch of this broker, so two starts must never see the same one: it is
    changed by compare-and-swap, and only then may logs be opened. A first start counts as 0, and its epochs are
    those of Kafka. Raises StoreError where the data has another id than the one that is wanted.
    """
    while True:
        cluster = await store.get(CLUSTER_ID)
        broker = await store.get(broker_key(node_id))
        start_count = 0 if broker is None else decode_broker(broker.value).start_count + 1
        if cluster is None:
            cluster_id = wanted_cluster_id or uuid_to_text(random_uuid())
        else:
            cluster_id = cluster.value.decode()
            if wanted_cluster_id not in (None, cluster_id):
                raise StoreError(
                    f"The data is that of the cluster {cluster_id}, not {wanted_cluster_id}: give that id, or none, or "
                    "another data directory."
                )
        compares = [
            Compare(broker_key(node_id), 0 if broker is None else broker.mod_revision),
            Compare(CLUSTER_ID, 0 if cluster is None else cluster.mod_revision),
        ]
        changes = [Put(broker_key(node_id), encode_broker(BrokerRecord(start_count, rack)))]
        if cluster is None:
            changes.append(Put(CLUSTER_ID, cluster_id.encode()))
        if (await store.txn(compares, changes)).succeeded:
            return cluster_id
