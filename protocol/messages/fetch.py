"""Fetch (API key 1).

v4 is the oldest that Kafka 4 takes: isolation level and aborted transactions (KIP-98). v5: log_start_offset (KIP-107).
v7: sessions (KIP-227). v9: current_leader_epoch (KIP-320). v10: zstd allowed (KIP-110). v11: fetching from followers
(KIP-392). v12: flexible; diverging epochs (KIP-595). v13: topic ids in place of names (KIP-516). v15: replica_state in
place of replica_id (KIP-903). v16: node_endpoints (KIP-951). v17: replica_directory_id (KIP-853). v18: high_watermark
in the request (KIP-1166).
"""

from __future__ import annotations

from collections.abc import Sized

from ..schema import Message, Struct, array, int8, int16, int32, int64, records, string, struct, uuid


class ReplicaState(Struct):
    replica_id: int = int32(default=-1)
    replica_epoch: int = int64(default=-1)


class FetchPartition(Struct):
    partition: int = int32()
    current_leader_epoch: int = int32("9+", default=-1, ignorable=True)
    fetch_offset: int = int64()
    last_fetched_epoch: int = int32("12+", default=-1)
    log_start_offset: int = int64("5+", default=-1, ignorable=True)
    """A follower's own; -1 from a consumer."""
    partition_max_bytes: int = int32()
    replica_directory_id: bytes = uuid("17+", ignorable=True, tag=0)
    high_watermark: int = int64("18+", default=0x7FFF_FFFF_FFFF_FFFF, ignorable=True, tag=1)
    """The follower's last known one; a leader answers at once if its own has moved."""


class FetchTopic(Struct):
    topic: str = string("4-12", default="", ignorable=True)
    topic_id: bytes = uuid("13+", ignorable=True)
    partitions: list[FetchPartition] = array(FetchPartition)


class ForgottenTopic(Struct):
    topic: str = string("7-12", default="", ignorable=True)
    topic_id: bytes = uuid("13+", ignorable=True)
    partitions: list[int] = array(int32)


class FetchRequest(Message, api_key=1, versions="4-18", flexible="12+"):
    cluster_id: str | None = string("12+", nullable="12+", default=None, ignorable=True, tag=0)
    replica_id: int = int32("4-14", default=-1)
    """-1 from a consumer."""
    replica_state: ReplicaState = struct(ReplicaState, "15+", tag=1)
    max_wait_ms: int = int32()
    min_bytes: int = int32()
    max_bytes: int = int32(default=0x7FFF_FFFF, ignorable=True)
    isolation_level: int = int8(default=0, ignorable=True)
    """0: read uncommitted; 1: read committed."""
    session_id: int = int32("7+", default=0, ignorable=True)
    session_epoch: int = int32("7+", default=-1, ignorable=True)
    """-1: no session; 0: a new one; above: the next step of the session."""
    topics: list[FetchTopic] = array(FetchTopic)
    forgotten_topics_data: list[ForgottenTopic] = array(ForgottenTopic, "7+")
    """In a session: partitions that the consumer no longer wants."""
    rack_id: str = string("11+", default="", ignorable=True)


class EpochEndOffset(Struct):
    epoch: int = int32(default=-1)
    end_offset: int = int64(default=-1)


class LeaderIdAndEpoch(Struct):
    leader_id: int = int32(default=-1)
    leader_epoch: int = int32(default=-1)


class SnapshotId(Struct):
    end_offset: int = int64(default=-1)
    epoch: int = int32(default=-1)


class AbortedTransaction(Struct):
    producer_id: int = int64()
    first_offset: int = int64()


class PartitionData(Struct):
    partition_index: int = int32()
    error_code: int = int16()
    high_watermark: int = int64()
    last_stable_offset: int = int64(default=-1, ignorable=True)
    log_start_offset: int = int64("5+", default=-1, ignorable=True)
    diverging_epoch: EpochEndOffset = struct(EpochEndOffset, "12+", tag=0)
    """Set where the follower's last_fetched_epoch does not fit the leader's log."""
    current_leader: LeaderIdAndEpoch = struct(LeaderIdAndEpoch, "12+", tag=1)
    snapshot_id: SnapshotId = struct(SnapshotId, "12+", tag=2)
    """Raft only: the snapshot to fetch in place of the log's begin."""
    aborted_transactions: list[AbortedTransaction] | None = array(AbortedTransaction, nullable="4+", ignorable=True)
    """Null unless the request is read committed."""
    preferred_read_replica: int = int32("11+", default=-1)
    records: Sized | None = records(nullable="4+")
    """Whole batches; to be encoded from bytes or from a span of a file, never copied."""


class FetchableTopicResponse(Struct):
    topic: str = string("4-12", default="", ignorable=True)
    topic_id: bytes = uuid("13+", ignorable=True)
    partitions: list[PartitionData] = array(PartitionData)


class NodeEndpoint(Struct):
    node_id: int = int32()
    host: str = string()
    port: int = int32()
    rack: str | None = string(nullable="16+", default=None)


class FetchResponse(Message, api_key=1, versions="4-18", flexible="12+"):
    throttle_time_ms: int = int32(default=0, ignorable=True)
    error_code: int = int16("7+", default=0, ignorable=True)
    session_id: int = int32("7+", default=0)
    responses: list[FetchableTopicResponse] = array(FetchableTopicResponse)
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, "16+", tag=0)
    """Where to find the leaders that the partitions' current_leader names."""
