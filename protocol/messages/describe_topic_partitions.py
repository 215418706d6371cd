"""DescribeTopicPartitions (API key 75): topics page by page, with their eligible leader replicas (KIP-966)."""

from __future__ import annotations

from ..schema import Message, Struct, array, boolean, int16, int32, string, struct, uuid
from .metadata import UNASKED_OPERATIONS


class TopicRequest(Struct):
    name: str = string()


class Cursor(Struct):
    topic_name: str = string()
    partition_index: int = int32()


class DescribeTopicPartitionsRequest(Message, api_key=75, versions="0", flexible="0+"):
    topics: list[TopicRequest] = array(TopicRequest)
    """None for all."""
    response_partition_limit: int = int32(default=2_000)
    cursor: Cursor | None = struct(Cursor, nullable="0+")
    """Where to begin; null for the beginning."""


class DescribeTopicPartitionsResponsePartition(Struct):
    error_code: int = int16()
    partition_index: int = int32()
    leader_id: int = int32()
    leader_epoch: int = int32(default=-1, ignorable=True)
    replica_nodes: list[int] = array(int32)
    isr_nodes: list[int] = array(int32)
    eligible_leader_replicas: list[int] | None = array(int32, nullable="0+")
    """Empty where there are none: the Java client fails on a null."""
    last_known_elr: list[int] | None = array(int32, nullable="0+")
    """As eligible_leader_replicas."""
    offline_replicas: list[int] = array(int32, ignorable=True)


class DescribeTopicPartitionsResponseTopic(Struct):
    error_code: int = int16()
    name: str | None = string(nullable="0+")
    topic_id: bytes = uuid(ignorable=True)
    is_internal: bool = boolean(default=False, ignorable=True)
    partitions: list[DescribeTopicPartitionsResponsePartition] = array(DescribeTopicPartitionsResponsePartition)
    topic_authorized_operations: int = int32(default=UNASKED_OPERATIONS)


class DescribeTopicPartitionsResponse(Message, api_key=75, versions="0", flexible="0+"):
    throttle_time_ms: int = int32(default=0, ignorable=True)
    topics: list[DescribeTopicPartitionsResponseTopic] = array(DescribeTopicPartitionsResponseTopic)
    next_cursor: Cursor | None = struct(Cursor, nullable="0+")
    """Where what did not fit begins; null where nothing is left."""
