"""Topic settings; values and sentences are those of CreateTopics on a Kafka 4.3 broker."""

from __future__ import annotations

import pytest

from broker.config import Config
from broker.topic_config import (
    defaults_not_yet_in_force,
    log_config,
    not_yet_in_force,
    validate_overrides,
)
from protocol.errors import ErrorCode, KafkaError
from storage.log_config import LogConfig

THROTTLED = "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId]"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("retention.ms", " 100 "),
        ("retention.ms", "-1"),
        ("retention.ms", "0"),
        ("retention.ms", "+5"),
        ("retention.bytes", "-7"),
        ("cleanup.policy", ""),
        ("cleanup.policy", " "),
        ("cleanup.policy", "compact, delete"),
        ("cleanup.policy", "compact,compact"),
        ("compression.type", " gzip "),
        ("compression.gzip.level", "-1"),
        ("segment.bytes", "2147483647"),
        ("internal.segment.bytes", "100"),
        ("preallocate", "TRUE"),
        ("message.timestamp.type", "LogAppendTime"),
        ("segment.jitter.ms", "999999999999"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1,1:2"),
        ("remote.log.copy.disable", "true"),
        ("local.retention.ms", "700000000000"),
    ],
)
def test_good_overrides_are_kept_as_they_came(name: str, text: str) -> None:
    assert validate_overrides({name: text}, Config()) == {name: text}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"foo.bar": "1"}, "Unknown topic config name: foo.bar"),
        ({"log.retention.ms": "1"}, "Unknown topic config name: log.retention.ms"),
        ({"retention.ms": None}, "Null value not supported for topic configs: retention.ms"),
        ({"retention.ms": "abc"}, "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
        ({"retention.ms": "-5"}, "Invalid value -5 for configuration retention.ms: Value must be at least -1"),
        (
            {"segment.bytes": "1000"},
            "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            {"cleanup.policy": "none"},
            "Invalid value none for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            {"compression.gzip.level": "0"},
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            {"preallocate": "yes"},
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            {"message.timestamp.type": "createtime"},
            "Invalid value createtime for configuration message.timestamp.type: "
            "String must be one of: CreateTime, LogAppendTime",
        ),
        (
            {"min.compaction.lag.ms": "100", "max.compaction.lag.ms": "50"},
            "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)",
        ),
        (
            {"remote.storage.enable": "true"},
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        ),
        ({"retention.ms": "abc", "foo": "1", "segment.bytes": "1"}, "Unknown topic config name: foo"),
    ],
)
def test_bad_overrides(overrides: dict[str, str | None], sentence: str) -> None:
    with pytest.raises(KafkaError) as refused:
        validate_overrides(overrides, Config())
    assert refused.value.code is ErrorCode.INVALID_CONFIG
    assert refused.value.message == sentence


@pytest.mark.parametrize("text", ["abc", "0:1:2", "0", "a:b"])
def test_bad_throttled_replicas(text: str) -> None:
    with pytest.raises(KafkaError) as refused:
        validate_overrides({"leader.replication.throttled.replicas": text}, Config())
    assert str(refused.value.message).startswith(f"Invalid value [{text}] for configuration leader.replication.")
    assert THROTTLED in str(refused.value.message)


def test_log_config_by_default() -> None:
    assert log_config({}, Config()) == LogConfig()


def test_log_config() -> None:
    overrides = {"segment.bytes": "2000000", "message.timestamp.type": "LogAppendTime", "segment.ms": " 5 "}
    config = Config({"message.max.bytes": "77", "log.segment.bytes": "3000000", "log.index.interval.bytes": "8"})
    assert log_config(overrides, config) == LogConfig(
        segment_bytes=2000000,
        segment_ms=5,
        message_timestamp_type="LogAppendTime",
        max_message_bytes=77,
        index_interval_bytes=8,
    )


def test_log_config_of_what_is_deleted() -> None:
    overrides = {"retention.ms": "5", "cleanup.policy": "delete,compact"}
    settings = {
        "log.retention.bytes": "-9",
        "log.roll.jitter.hours": "1",
        "log.segment.delete.delay.ms": "0",
        "log.cleanup.policy": "",
    }
    assert log_config(overrides, Config(settings)) == LogConfig(
        cleanup_policy=frozenset(("compact", "delete")),
        retention_ms=5,
        retention_bytes=-9,
        segment_jitter_ms=3600 * 1000,
        file_delete_delay_ms=0,
    )
    assert log_config({}, Config(settings)).cleanup_policy == frozenset()


def test_log_config_with_the_small_segments_of_tests() -> None:
    overrides = {"segment.bytes": "2000000", "internal.segment.bytes": "100"}
    assert log_config(overrides, Config()).segment_bytes == 100


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({}, []),
        ({"segment.bytes": "2000000", "max.message.bytes": "5", "message.timestamp.type": "LogAppendTime"}, []),
        ({"preallocate": "true", "flush.messages": "1", "segment.ms": "5"}, ["flush.messages", "preallocate"]),
        ({"retention.ms": "1", "retention.bytes": "1", "segment.jitter.ms": "1", "file.delete.delay.ms": "1"}, []),
        ({"cleanup.policy": "delete"}, []),
        ({"cleanup.policy": ""}, []),
        ({"cleanup.policy": "compact"}, ["cleanup.policy"]),
        ({"compression.type": "producer"}, []),
        ({"compression.type": "zstd"}, ["compression.type"]),
        ({"preallocate": "false", "unclean.leader.election.enable": "true"}, ["unclean.leader.election.enable"]),
    ],
)
def test_not_yet_in_force(overrides: dict[str, str], names: list[str]) -> None:
    assert not_yet_in_force(overrides) == names


def test_defaults_of_settings_not_in_force_are_named_if_they_ask_for_something() -> None:
    assert defaults_not_yet_in_force(Config()) == []
    asked = {"log.cleanup.policy": "compact", "log.preallocate": "true", "log.retention.hours": "1"}
    assert defaults_not_yet_in_force(Config(asked)) == ["log.cleanup.policy", "log.preallocate"]
    assert defaults_not_yet_in_force(Config({"log.retention.ms": "-1", "compression.type": "producer"})) == []
