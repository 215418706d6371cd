"""ListOffsets (API key 2).

v1: one offset per partition, with its timestamp (KIP-79). v2: isolation level (KIP-98). v4: leader epochs (KIP-320).
v6: flexible. v7: timestamp -3, the largest timestamp (KIP-734). v8: -4, the local log's start (KIP-405). v9: -5, the
end of what is tiered (KIP-1005). v10: timeout_ms (KIP-1075). v11: -6, the earliest offset still to be tiered
(KIP-1023).
"""

from __future__ import annotations

from ..schema import Message, Struct, array, int8, int16, int32, int64, string


class ListOffsetsPartition(Struct):
    partition_index: int = int32()
    current_leader_epoch: int = int32("4+", default=-1, ignorable=True)
    timestamp: int = int64()
    """Milliseconds, or -1 for the latest offset, -2 for the earliest, -3 and below as above."""


class ListOffsetsTopic(Struct):
    name: str = string()
    partitions: list[ListOffsetsPartition] = array(ListOffsetsPartition)


class ListOffsetsRequest(Message, api_key=2, versions="1-11", flexible="6+"):
    replica_id: int = int32()
    """-1 from a consumer, -2 from a debugging one."""
    isolation_level: int = int8("2+", default=0)
    """0: read uncommitted; 1: read committed."""
    topics: list[ListOffsetsTopic] = array(ListOffsetsTopic)
    timeout_ms: int = int32("10+", default=0, ignorable=True)
    """How long the broker may wait for a remote log's answer."""


class ListOffsetsPartitionResponse(Struct):
    partition_index: int = int32()
    error_code: int = int16()
    timestamp: int = int64(default=-1)
    offset: int = int64(default=-1)
    leader_epoch: int = int32("4+", default=-1)


class ListOffsetsTopicResponse(Struct):
    name: str = string()
    partitions: list[ListOffsetsPartitionResponse] = array(ListOffsetsPartitionResponse)


class ListOffsetsResponse(Message, api_key=2, versions="1-11", flexible="6+"):
    throttle_time_ms: int = int32("2+", default=0, ignorable=True)
    topics: list[ListOffsetsTopicResponse] = array(ListOffsetsTopicResponse)
