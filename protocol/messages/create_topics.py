"""CreateTopics (API key 19).

v2 is the oldest that Kafka 4 takes. v4: num_partitions and replication_factor may be -1, the broker's defaults
(KIP-464). v5: flexible; the response tells what was made (KIP-525). v6: THROTTLING_QUOTA_EXCEEDED (KIP-599). v7: topic
ids (KIP-516).
"""

from __future__ import annotations

from ..schema import Message, Struct, Versioned, array, boolean, int8, int16, int32, string, uuid


class CreatableReplicaAssignment(Struct):
    partition_index: int = int32()
    broker_ids: list[int] = array(int32)


class CreatableTopicConfig(Struct):
    name: str = string()
    value: str | None = string(nullable="2+")


class CreatableTopic(Struct):
    name: str = string()
    num_partitions: int = int32()
    """-1 for the default, and wherever assignments are given."""
    replication_factor: int = int16()
    """-1 for the default, and wherever assignments are given."""
    assignments: list[CreatableReplicaAssignment] = array(CreatableReplicaAssignment)
    configs: list[CreatableTopicConfig] = array(CreatableTopicConfig)


class CreateTopicsRequest(Message, api_key=19, versions="2-7", flexible="5+"):
    topics: list[CreatableTopic] = array(CreatableTopic)
    timeout_ms: int = int32(default=60_000)
    validate_only: bool = boolean(default=False)


class CreatableTopicConfigs(Versioned, versions="5-7", flexible="5+"):
    name: str = string()
    value: str | None = string(nullable="5+")
    read_only: bool = boolean()
    config_source: int = int8(default=-1, ignorable=True)
    """As in DescribeConfigs: 1 topic, 4 broker's file, 5 default."""
    is_sensitive: bool = boolean()


class CreatableTopicResult(Struct):
    name: str = string()
    topic_id: bytes = uuid("7+", ignorable=True)
    error_code: int = int16()
    error_message: str | None = string(nullable="2+", default=None, ignorable=True)
    topic_config_error_code: int = int16("5+", default=0, ignorable=True, tag=0)
    """Why the configs are not shown: TOPIC_AUTHORIZATION_FAILED or NONE."""
    num_partitions: int = int32("5+", default=-1, ignorable=True)
    replication_factor: int = int16("5+", default=-1, ignorable=True)
    configs: list[CreatableTopicConfigs | bytes] | None = array(
        CreatableTopicConfigs, "5+", nullable="5+", ignorable=True
    )
    """Null only beside a topic_config_error_code: the Java client fails on a null. What many topics have in common may
    be given as its bytes."""


class CreateTopicsResponse(Message, api_key=19, versions="2-7", flexible="5+"):
    throttle_time_ms: int = int32(default=0, ignorable=True)
    topics: list[CreatableTopicResult] = array(CreatableTopicResult)
