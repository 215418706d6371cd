"""Every topic setting of Apache Kafka 4.3: name, type, valid values, and the broker properties that are its default."""

from __future__ import annotations

import re
from typing import NamedTuple

from .config_types import LONG_MAX, Between, ConfigError, ConfigType, ListOf, OneOf, Valid, Value, at_least

_BOOLEAN = ConfigType.BOOLEAN
_STRING = ConfigType.STRING
_INT = ConfigType.INT
_LONG = ConfigType.LONG
_DOUBLE = ConfigType.DOUBLE
_LIST = ConfigType.LIST


class Synonym(NamedTuple):
    """A broker property that a topic setting takes its default from, and what its unit is worth in the setting's."""

    name: str
    factor: int = 1


class TopicSetting(NamedTuple):
    """One topic setting.

    `synonyms` are the broker properties that give its default, the first that has a value winning; a setting without
    any has a `default` and a `doc` of its own. `harmless` are the values that ask for nothing that is still to be
    built, None once the setting is in force. An `internal` one shows only where it was set; Kafka's tests use it.
    """

    name: str
    type: ConfigType
    valid: Valid | None = None
    synonyms: tuple[Synonym, ...] = ()
    harmless: tuple[Value, ...] | None = None
    default: Value = None
    doc: str = ""
    internal: bool = False


class ThrottledReplicas:
    """A list of `partition:broker`, or `*` for all replicas (KIP-73)."""

    def complaint(self, name: str, value: Value) -> str | None:
        assert isinstance(value, tuple)
        if value == ("*",) or all(re.fullmatch(r"[0-9]+:[0-9]+", item) for item in value):
            return None
        # Kafka quotes a list of all of it as Java writes one.
        raise ConfigError(
            f"Invalid value [{', '.join(value)}] for configuration {name}: {name} must be the literal '*' or a list of "
            f"replicas in the following format: {self}"
        )

    def __str__(self) -> str:
        return "[partitionId]:[brokerId],[partitionId]:[brokerId],..."


def _of(*names: str) -> tuple[Synonym, ...]:
    return tuple(Synonym(name, _FACTORS.get(name.rpartition(".")[2], 1)) for name in names)


_FACTORS = {"minutes": 60 * 1000, "hours": 3600 * 1000}

_IN_FORCE = (
    TopicSetting("file.delete.delay.ms", _LONG, at_least(0), _of("log.segment.delete.delay.ms")),
    TopicSetting("index.interval.bytes", _INT, at_least(0), _of("log.index.interval.bytes")),
    TopicSetting(
        "internal.segment.bytes",
        _INT,
        doc="Holds in place of segment.bytes and may be smaller; meant for tests.",
        internal=True,
    ),
    TopicSetting("max.message.bytes", _INT, at_least(0), _of("message.max.bytes")),
    TopicSetting("message.timestamp.after.max.ms", _LONG, at_least(0), _of("log.message.timestamp.after.max.ms")),
    TopicSetting("message.timestamp.before.max.ms", _LONG, at_least(0), _of("log.message.timestamp.before.max.ms")),
    TopicSetting(
        "message.timestamp.type", _STRING, OneOf("CreateTime", "LogAppendTime"), _of("log.message.timestamp.type")
    ),
    # It counts at most the replicas there are, and one broker has one: a leader alone is always enough.
    TopicSetting("min.insync.replicas", _INT, at_least(1), _of("min.insync.replicas")),
    TopicSetting("retention.bytes", _LONG, None, _of("log.retention.bytes")),
    TopicSetting(
        "retention.ms", _LONG, at_least(-1), _of("log.retention.ms", "log.retention.minutes", "log.retention.hours")
    ),
    TopicSetting("segment.bytes", _INT, at_least(1 << 20), _of("log.segment.bytes")),
    TopicSetting("segment.index.bytes", _INT, at_least(4), _of("log.index.size.max.bytes")),
    TopicSetting("segment.jitter.ms", _LONG, at_least(0), _of("log.roll.jitter.ms", "log.roll.jitter.hours")),
    TopicSetting("segment.ms", _LONG, at_least(1), _of("log.roll.ms", "log.roll.hours")),
)

_KEPT = (
    TopicSetting(
        "cleanup.policy",
        _LIST,
        ListOf("compact", "delete", may_be_empty=True),
        _of("log.cleanup.policy"),
        # There is no compaction yet.
        harmless=((), ("delete",)),
    ),
    TopicSetting("compression.gzip.level", _INT, Between(1, 9, -1), _of("compression.gzip.level"), harmless=()),
    TopicSetting("compression.lz4.level", _INT, Between(1, 17), _of("compression.lz4.level"), harmless=()),
    TopicSetting(
        "compression.type",
        _STRING,
        OneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
        _of("compression.type"),
        harmless=("producer",),
    ),
    TopicSetting("compression.zstd.level", _INT, Between(-131072, 22), _of("compression.zstd.level"), harmless=()),
    TopicSetting("delete.retention.ms", _LONG, at_least(0), _of("log.cleaner.delete.retention.ms"), harmless=()),
    TopicSetting("flush.messages", _LONG, at_least(1), _of("log.flush.interval.messages"), harmless=(LONG_MAX,)),
    TopicSetting(
        "flush.ms",
        _LONG,
        at_least(0),
        _of("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
        harmless=(LONG_MAX,),
    ),
    TopicSetting(
        "follower.replication.throttled.replicas",
        _LIST,
        ThrottledReplicas(),
        harmless=((),),
        default=(),
        doc="Replicas whose replication is throttled on the follower's side.",
    ),
    TopicSetting(
        "leader.replication.throttled.replicas",
        _LIST,
        ThrottledReplicas(),
        harmless=((),),
        default=(),
        doc="Replicas whose replication is throttled on the leader's side.",
    ),
    TopicSetting("local.retention.bytes", _LONG, at_least(-2), _of("log.local.retention.bytes"), harmless=(-2,)),
    TopicSetting("local.retention.ms", _LONG, at_least(-2), _of("log.local.retention.ms"), harmless=(-2,)),
    TopicSetting(
        "max.compaction.lag.ms", _LONG, at_least(1), _of("log.cleaner.max.compaction.lag.ms"), harmless=(LONG_MAX,)
    ),
    TopicSetting(
        "min.cleanable.dirty.ratio", _DOUBLE, Between(0, 1), _of("log.cleaner.min.cleanable.ratio"), harmless=()
    ),
    TopicSetting("min.compaction.lag.ms", _LONG, at_least(0), _of("log.cleaner.min.compaction.lag.ms"), harmless=(0,)),
    TopicSetting("preallocate", _BOOLEAN, None, _of("log.preallocate"), harmless=(False,)),
    TopicSetting(
        "remote.log.copy.disable",
        _BOOLEAN,
        harmless=(False,),
        default=False,
        doc="Whether a tiered topic copies no more segments to remote storage.",
    ),
    TopicSetting(
        "remote.log.delete.on.disable",
        _BOOLEAN,
        harmless=(False,),
        default=False,
        doc="Whether remote segments are deleted when remote.storage.enable is taken back.",
    ),
    TopicSetting(
        "remote.storage.enable",
        _BOOLEAN,
        harmless=(False,),
        default=False,
        doc="Whether the topic is tiered; true is refused, as by a Kafka broker without remote storage.",
    ),
    TopicSetting(
        "unclean.leader.election.enable", _BOOLEAN, None, _of("unclean.leader.election.enable"), harmless=(False,)
    ),
)

TOPIC_SETTINGS = {row.name: row for row in sorted(_IN_FORCE + _KEPT, key=lambda row: row.name)}
