"""Metadata (API key 3).

v0: an empty list asks for all topics; from v1 on null does and an empty list asks for none. v1: controller, racks,
is_internal. v2: cluster_id (KIP-78). v4: whether to create what is missing (KIP-204). v5: offline replicas. v7: leader
epochs (KIP-320). v8: authorized operations (KIP-430). v9: flexible. v10: topic ids (KIP-516). v11: the cluster's
authorized operations are DescribeCluster's now (KIP-700). v12: asking by topic id. v13: a top-level error, so that a
client can be told to start from its bootstrap servers (KIP-1102).
"""

from __future__ import annotations

from ..schema import Message, Struct, Versioned, array, boolean, int16, int32, string, uuid

UNASKED_OPERATIONS = -(2**31)
"""The bit set of authorized operations that nobody asked for."""


class MetadataRequestTopic(Struct):
    topic_id: bytes = uuid("10+", ignorable=True)
    name: str | None = string(nullable="10+")


class MetadataRequest(Message, api_key=3, versions="0-13", flexible="9+"):
    topics: list[MetadataRequestTopic] | None = array(MetadataRequestTopic, nullable="1+")
    allow_auto_topic_creation: bool = boolean("4+", default=True)
    include_cluster_authorized_operations: bool = boolean("8-10", default=False)
    include_topic_authorized_operations: bool = boolean("8+", default=False)


class MetadataResponseBroker(Struct):
    node_id: int = int32()
    host: str = string()
    port: int = int32()
    rack: str | None = string("1+", nullable="1+", default=None, ignorable=True)


class MetadataResponsePartition(Struct):
    error_code: int = int16()
    partition_index: int = int32()
    leader_id: int = int32()
    leader_epoch: int = int32("7+", default=-1, ignorable=True)
    replica_nodes: list[int] = array(int32)
    isr_nodes: list[int] = array(int32)
    offline_replicas: list[int] = array(int32, "5+", ignorable=True)


class MetadataResponseTopic(Versioned, versions="0-13", flexible="9+"):
    error_code: int = int16()
    name: str | None = string(nullable="12+")
    """Null where the client asked by a topic id that is not known."""
    topic_id: bytes = uuid("10+", ignorable=True)
    is_internal: bool = boolean("1+", default=False, ignorable=True)
    partitions: list[MetadataResponsePartition] = array(MetadataResponsePartition)
    topic_authorized_operations: int = int32("8+", default=UNASKED_OPERATIONS)


class MetadataResponse(Message, api_key=3, versions="0-13", flexible="9+"):
    throttle_time_ms: int = int32("3+", default=0, ignorable=True)
    brokers: list[MetadataResponseBroker] = array(MetadataResponseBroker)
    cluster_id: str | None = string("2+", nullable="2+", default=None, ignorable=True)
    controller_id: int = int32("1+", default=-1, ignorable=True)
    topics: list[MetadataResponseTopic | bytes] = array(MetadataResponseTopic)
    """What has not changed since it was encoded may be given as its bytes."""
    cluster_authorized_operations: int = int32("8-10", default=UNASKED_OPERATIONS)
    error_code: int = int16("13+", default=0, ignorable=True)
