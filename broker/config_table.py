"""Every broker property that Ottla knows: name, type, default, valid values, and whether it can change at run time.

Names, types, ranges and update modes are those of Apache Kafka 4.3; so are the defaults, except where a row's text
gives another. docs/CONFIGURATION.md is generated from this table. A property belongs here once something obeys it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .config_types import INT_MAX, LONG_MAX, Between, ConfigType, ListOf, OneOf, Valid, Value, at_least

_BOOLEAN = ConfigType.BOOLEAN
_STRING = ConfigType.STRING
_SHORT = ConfigType.SHORT
_INT = ConfigType.INT
_LONG = ConfigType.LONG
_DOUBLE = ConfigType.DOUBLE
_LIST = ConfigType.LIST

_DAY_MS = 24 * 3600 * 1000

LOG_MOVES_BYTES_PER_SECOND_MAX = "replica.alter.log.dirs.io.max.bytes.per.second"
"""A quota that is in no table of Kafka's, since it can be set at run time alone (KIP-113); `LogMover` obeys it."""


class Dynamic(Enum):
    """Whether and how far a property can be changed while the broker runs (KIP-226)."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class Property(NamedTuple):
    """One broker property; `default` None means that it has none, `valid` None that every value of the type will do."""

    name: str
    type: ConfigType
    default: Value
    valid: Valid | None
    dynamic: Dynamic
    doc: str


_READ_ONLY = Dynamic.READ_ONLY
_PER_BROKER = Dynamic.PER_BROKER
_CLUSTER_WIDE = Dynamic.CLUSTER_WIDE

LISTENERS = (
    Property(
        "listeners",
        _LIST,
        ("PLAINTEXT://localhost:9092",),
        ListOf(),
        _PER_BROKER,
        "Where to listen, as NAME://HOST:PORT with a comma between. No host means every address, port 0 a free one, an "
        "IPv6 address stands in brackets. Kafka's default is PLAINTEXT://:9092, every address of the machine.",
    ),
    Property(
        "advertised.listeners",
        _LIST,
        None,
        ListOf(),
        _READ_ONLY,
        "What clients are told to connect to, in the form of listeners. Without it each client is told the address and "
        "port at which its own connection arrived, which an empty host and port 0 stand for.",
    ),
    Property(
        "ottla.gateway.advertised.host",
        _STRING,
        None,
        None,
        _READ_ONLY,
        "The host that clients are told whose connections come from the default gateway of this machine, in place of "
        "the address that they reached. Meant for containers, which see the host's clients there: `localhost` is what "
        "these can connect to, if the port is published under its own number. It holds for listeners on every address "
        "to which advertised.listeners gives no host.",
    ),
    Property(
        "controller.listener.names",
        _LIST,
        None,
        None,
        _READ_ONLY,
        "Listeners of Kafka's controllers. There are none here, so they are left out of listeners and "
        "advertised.listeners.",
    ),
    Property(
        "listener.security.protocol.map",
        _STRING,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        None,
        _PER_BROKER,
        "The security protocol of each listener name, as NAME:PROTOCOL with a comma between.",
    ),
    Property(
        "socket.request.max.bytes",
        _INT,
        104857600,
        at_least(1),
        _READ_ONLY,
        "Largest request in bytes; a client that announces a larger one is disconnected.",
    ),
    Property(
        "queued.max.request.bytes",
        _LONG,
        -1,
        None,
        _READ_ONLY,
        "How many bytes of requests may be arriving at once, each counted with the size that it announces; while they "
        "are used up, no other request is received. 0 or less for no limit, else at least socket.request.max.bytes.",
    ),
    Property(
        "max.connections",
        _INT,
        INT_MAX,
        at_least(0),
        _CLUSTER_WIDE,
        "Most connections at once; others wait to be accepted until one closes. listener.name.NAME.max.connections, "
        "with the name in lower case, is a limit for a listener beside it. When it is lowered at run time, those that "
        "have been idle longest are closed. At least 1; the limit on the process's open files (ulimit -n) comes first.",
    ),
    Property(
        "max.connections.per.ip",
        _INT,
        INT_MAX,
        at_least(0),
        _CLUSTER_WIDE,
        "Most connections at once from one address; further ones are closed at once. 0 only where "
        "max.connections.per.ip.overrides says who may connect.",
    ),
    Property(
        "max.connections.per.ip.overrides",
        _STRING,
        "",
        None,
        _CLUSTER_WIDE,
        "Other limits for some addresses, as HOST:NUMBER with a comma between. A name stands for all its addresses, "
        "and is looked up at the start and when a setting of the broker changes.",
    ),
    Property(
        "connections.max.idle.ms",
        _LONG,
        600000,
        None,
        _READ_ONLY,
        "How many ms a connection may neither send nor take a byte, even while it waits for a reply, before it is "
        "closed: more than 100, or below 0 for ever. It is closed up to 10 s later.",
    ),
    Property(
        "socket.listen.backlog.size",
        _INT,
        1024,
        at_least(1),
        _READ_ONLY,
        "How many connections may wait to be accepted on each listening socket. Kafka's default is 50; clients that "
        "come in larger bursts then wait a second or more.",
    ),
    Property(
        "socket.send.buffer.bytes",
        _INT,
        262144,
        at_least(-1),
        _READ_ONLY,
        "Size in bytes of a connection's send buffer in the kernel (SO_SNDBUF); -1 leaves it to the system. Small "
        "enough for the cache, it makes large fetches cheaper. Kafka's default is 102400.",
    ),
    Property(
        "socket.receive.buffer.bytes",
        _INT,
        -1,
        at_least(-1),
        _READ_ONLY,
        "Size in bytes of a connection's receive buffer in the kernel (SO_RCVBUF); -1 leaves it to the system, which "
        "fits it to the traffic. Kafka's default is 102400.",
    ),
    Property(
        "fetch.max.bytes",
        _INT,
        57671680,
        at_least(1024),
        _READ_ONLY,
        "Most bytes of records that one fetch response carries, whatever the client asks for; a first batch that is "
        "larger is sent all the same.",
    ),
    Property(
        "max.incremental.fetch.session.cache.slots",
        _INT,
        1000,
        at_least(0),
        _READ_ONLY,
        "How many incremental fetch sessions (KIP-227) the broker keeps.",
    ),
    Property(
        "max.request.partition.size.limit",
        _INT,
        2000,
        at_least(1),
        _READ_ONLY,
        "Most partitions that one answer to DescribeTopicPartitions (KIP-966) has, whatever the client asks for.",
    ),
)

IDENTITY = (
    Property(
        "node.id",
        _INT,
        0,
        at_least(0),
        _READ_ONLY,
        "This broker's id, unique in its cluster. It belongs to the data, which no other id can serve. Kafka has no "
        "default.",
    ),
    Property("broker.id", _INT, -1, None, _READ_ONLY, "Older name of node.id; where both are given they must agree."),
    Property(
        "process.roles",
        _LIST,
        ("broker", "controller"),
        ListOf("broker", "controller"),
        _READ_ONLY,
        "What this process is in its cluster. Ottla is always both, and does not start as a controller alone. Kafka "
        "has no default.",
    ),
    Property(
        "ottla.cluster.id",
        _STRING,
        None,
        None,
        _READ_ONLY,
        "The id of the cluster, which a new data directory gets in place of one at random, and which data that is "
        "there must have.",
    ),
    Property("broker.rack", _STRING, None, None, _READ_ONLY, "The rack or availability zone that clients are told."),
)

TOPICS = (
    Property(
        "auto.create.topics.enable",
        _BOOLEAN,
        True,
        None,
        _READ_ONLY,
        "Whether a client that asks for the metadata of a missing topic and allows it, has it created.",
    ),
    Property("delete.topic.enable", _BOOLEAN, True, None, _READ_ONLY, "Whether topics can be deleted."),
    Property("num.partitions", _INT, 1, at_least(1), _READ_ONLY, "Partitions of a topic created without a number."),
    Property(
        "default.replication.factor",
        _INT,
        1,
        at_least(1),
        _READ_ONLY,
        "Replicas of a topic created without a number; at most the brokers there are.",
    ),
    Property(
        "ottla.replication.factor.clamp",
        _BOOLEAN,
        False,
        None,
        _READ_ONLY,
        "Whether an explicit replication factor above the number of brokers is lowered to it; otherwise it is refused "
        "with INVALID_REPLICATION_FACTOR, as in Kafka.",
    ),
)

LOGS = (
    Property(
        "log.dirs",
        _LIST,
        None,
        ListOf(),
        _READ_ONLY,
        "The log directories, with a comma between; without them there is one, broker-<node.id> in the data directory.",
    ),
    Property(
        "log.dir",
        _LIST,
        None,
        ListOf(),
        _READ_ONLY,
        "The log directory; log.dirs holds if it is given too. Kafka's default is /tmp/kafka-logs.",
    ),
    Property(
        "metadata.log.dir",
        _STRING,
        None,
        None,
        _READ_ONLY,
        "Where the metadata lies, in a directory ottla-metadata of its own. Without it that is in the first of the log "
        "directories, if there are any given, and else the data directory itself; --data-dir holds over both.",
    ),
    Property(
        "log.flush.offset.checkpoint.interval.ms",
        _INT,
        60000,
        at_least(0),
        _READ_ONLY,
        "How often in ms it is written down how far each log is on disk and where it begins; a start after a crash "
        "checks the logs from there.",
    ),
    Property(
        "log.retention.check.interval.ms",
        _LONG,
        300000,
        at_least(1),
        _READ_ONLY,
        "How often in ms the logs are checked for segments to be deleted, by retention.ms and retention.bytes.",
    ),
    Property(
        "log.initial.task.delay.ms",
        _LONG,
        30000,
        at_least(0),
        _READ_ONLY,
        "How many ms after the start that check is made for the first time, unless its interval is shorter.",
    ),
    Property(
        "producer.id.expiration.ms",
        _INT,
        86400000,
        at_least(1),
        _CLUSTER_WIDE,
        "A partition forgets an idempotent producer that has written nothing to it for this many ms.",
    ),
    Property(
        "producer.id.expiration.check.interval.ms",
        _INT,
        600000,
        at_least(1),
        _READ_ONLY,
        "How often in ms expired producers are removed.",
    ),
)

GROUPS = (
    Property(
        "group.min.session.timeout.ms",
        _INT,
        6000,
        None,
        _READ_ONLY,
        "Shortest session timeout in ms that a member of a classic group may ask for.",
    ),
    Property(
        "group.max.session.timeout.ms",
        _INT,
        1800000,
        None,
        _READ_ONLY,
        "Longest session timeout in ms that a member of a classic group may ask for.",
    ),
    Property(
        "group.max.size",
        _INT,
        INT_MAX,
        at_least(1),
        _READ_ONLY,
        "Most members of a classic group; further ones are refused with GROUP_MAX_SIZE_REACHED (KIP-389).",
    ),
    Property(
        "group.initial.rebalance.delay.ms",
        _INT,
        170,
        None,
        _READ_ONLY,
        "How many ms an empty group waits for more members after its first one, and as long again if one came "
        "meanwhile, up to the rebalance timeout of its members. Kafka's default is 3000, which every start of a lone "
        "consumer has to sit out.",
    ),
    Property(
        "offset.metadata.max.bytes",
        _INT,
        4096,
        None,
        _READ_ONLY,
        "Most bytes of metadata that a client may commit with an offset.",
    ),
    Property(
        "offsets.retention.minutes",
        _INT,
        7 * 24 * 60,
        at_least(1),
        _READ_ONLY,
        "After how many minutes offsets expire: counted from when their group lost its last member, and for groups "
        "without members at all from the commit.",
    ),
    Property(
        "offsets.retention.check.interval.ms",
        _LONG,
        600000,
        at_least(1),
        _READ_ONLY,
        "How often in ms expired offsets are looked for.",
    ),
    Property(
        "offsets.topic.num.partitions",
        _INT,
        50,
        at_least(1),
        _READ_ONLY,
        "Partitions of __consumer_offsets, which is made when the first client asks for a group. Later changes have no "
        "effect.",
    ),
    Property(
        "offsets.topic.replication.factor",
        _SHORT,
        3,
        at_least(1),
        _READ_ONLY,
        "Replicas of each partition of __consumer_offsets; at most the brokers there are when it is made.",
    ),
    Property(
        "offsets.topic.segment.bytes",
        _INT,
        104857600,
        at_least(1 << 20),
        _READ_ONLY,
        "Segment size in bytes of __consumer_offsets, kept small so that it is compacted and loaded faster.",
    ),
    Property(
        "offsets.commit.timeout.ms",
        _INT,
        5000,
        at_least(1),
        _READ_ONLY,
        "How many ms a coordinator waits for its records to be replicated before it answers with "
        "COORDINATOR_NOT_AVAILABLE.",
    ),
    Property(
        "offsets.load.buffer.size",
        _INT,
        5242880,
        at_least(1),
        _READ_ONLY,
        "How many bytes of a coordinator's log are read at once while it is loaded; a larger batch is read whole.",
    ),
)

TOPIC_DEFAULTS = (
    Property(
        "message.max.bytes",
        _INT,
        1048588,
        at_least(0),
        _CLUSTER_WIDE,
        "Largest record batch in bytes, its 12 bytes of offset and length included.",
    ),
    Property(
        "log.segment.bytes",
        _INT,
        1 << 30,
        at_least(1 << 20),
        _CLUSTER_WIDE,
        "Largest segment file in bytes.",
    ),
    Property(
        "log.roll.ms",
        _LONG,
        None,
        None,
        _CLUSTER_WIDE,
        "Age in ms, by the timestamps of its records, at which a segment is closed.",
    ),
    Property("log.roll.hours", _INT, 168, at_least(1), _READ_ONLY, "The age in hours, where log.roll.ms has no value."),
    Property(
        "log.roll.jitter.ms",
        _LONG,
        None,
        None,
        _CLUSTER_WIDE,
        "A segment is closed up to this many ms early, at random.",
    ),
    Property(
        "log.roll.jitter.hours",
        _INT,
        0,
        at_least(0),
        _READ_ONLY,
        "The jitter in hours, where log.roll.jitter.ms has no value.",
    ),
    Property(
        "log.index.interval.bytes",
        _INT,
        4096,
        at_least(0),
        _CLUSTER_WIDE,
        "Bytes of log between two entries of its offset index.",
    ),
    Property(
        "log.index.size.max.bytes",
        _INT,
        10485760,
        at_least(4),
        _CLUSTER_WIDE,
        "Size in bytes at which an index is full, which closes its segment.",
    ),
    Property(
        "log.message.timestamp.type",
        _STRING,
        "CreateTime",
        OneOf("CreateTime", "LogAppendTime"),
        _CLUSTER_WIDE,
        "Whether records keep their producer's time or get the broker's.",
    ),
    Property(
        "log.message.timestamp.before.max.ms",
        _LONG,
        LONG_MAX,
        at_least(0),
        _CLUSTER_WIDE,
        "How many ms a producer's time may lie in the past.",
    ),
    Property(
        "log.message.timestamp.after.max.ms",
        _LONG,
        3600000,
        at_least(0),
        _CLUSTER_WIDE,
        "How many ms a producer's time may lie in the future.",
    ),
    Property(
        "log.preallocate", _BOOLEAN, False, None, _CLUSTER_WIDE, "Whether a segment's file is made at its full size."
    ),
    Property(
        "log.cleanup.policy",
        _LIST,
        ("delete",),
        ListOf("compact", "delete", may_be_empty=True),
        _CLUSTER_WIDE,
        "What is done with old segments: deleted, compacted, both in turn, or nothing.",
    ),
    Property(
        "log.retention.ms",
        _LONG,
        None,
        None,
        _CLUSTER_WIDE,
        "How many ms records are kept; -1 for ever.",
    ),
    Property(
        "log.retention.minutes",
        _INT,
        None,
        None,
        _READ_ONLY,
        "The retention in minutes, where log.retention.ms has no value.",
    ),
    Property(
        "log.retention.hours",
        _INT,
        168,
        None,
        _READ_ONLY,
        "The retention in hours, where log.retention.minutes has no value either.",
    ),
    Property(
        "log.retention.bytes",
        _LONG,
        -1,
        None,
        _CLUSTER_WIDE,
        "How many bytes of each partition are kept; -1 for all.",
    ),
    Property(
        "log.local.retention.ms",
        _LONG,
        -2,
        at_least(-2),
        _CLUSTER_WIDE,
        "How many ms segments stay on this disk once they are in remote storage; -2 for the whole retention.",
    ),
    Property(
        "log.local.retention.bytes",
        _LONG,
        -2,
        at_least(-2),
        _CLUSTER_WIDE,
        "How many bytes of each partition stay on this disk once they are in remote storage; -2 for the whole "
        "retention.",
    ),
    Property(
        "log.segment.delete.delay.ms",
        _LONG,
        60000,
        at_least(0),
        _CLUSTER_WIDE,
        "How many ms the file of a deleted segment stays on disk.",
    ),
    Property(
        "log.flush.interval.messages",
        _LONG,
        LONG_MAX,
        at_least(1),
        _CLUSTER_WIDE,
        "Number of records after which a log is flushed to disk.",
    ),
    Property(
        "log.flush.interval.ms",
        _LONG,
        None,
        None,
        _CLUSTER_WIDE,
        "Number of ms after which a log is flushed to disk.",
    ),
    Property(
        "log.flush.scheduler.interval.ms",
        _LONG,
        LONG_MAX,
        None,
        _READ_ONLY,
        "The flush interval, where log.flush.interval.ms has no value.",
    ),
    Property(
        "log.cleaner.delete.retention.ms",
        _LONG,
        _DAY_MS,
        at_least(0),
        _CLUSTER_WIDE,
        "How many ms compaction keeps tombstones.",
    ),
    Property(
        "log.cleaner.min.compaction.lag.ms",
        _LONG,
        0,
        at_least(0),
        _CLUSTER_WIDE,
        "How many ms a record is safe from compaction.",
    ),
    Property(
        "log.cleaner.max.compaction.lag.ms",
        _LONG,
        LONG_MAX,
        at_least(1),
        _CLUSTER_WIDE,
        "After how many ms a record must have been considered for compaction.",
    ),
    Property(
        "log.cleaner.min.cleanable.ratio",
        _DOUBLE,
        0.5,
        Between(0, 1),
        _CLUSTER_WIDE,
        "Share of a log that must be uncompacted for it to be compacted.",
    ),
    Property(
        "compression.type",
        _STRING,
        "producer",
        OneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
        _CLUSTER_WIDE,
        "The codec in which batches are stored; `producer` keeps them as they came.",
    ),
    Property(
        "compression.gzip.level",
        _INT,
        -1,
        Between(1, 9, -1),
        _CLUSTER_WIDE,
        "Level for gzip; -1 for its own default.",
    ),
    Property("compression.lz4.level", _INT, 9, Between(1, 17), _CLUSTER_WIDE, "Level for lz4."),
    Property(
        "compression.zstd.level",
        _INT,
        3,
        Between(-131072, 22),
        _CLUSTER_WIDE,
        "Level for zstd.",
    ),
    Property(
        "min.insync.replicas",
        _INT,
        1,
        at_least(1),
        _CLUSTER_WIDE,
        "Replicas that must be in sync for a write with acks=all; at most the replicas there are.",
    ),
    Property(
        "unclean.leader.election.enable",
        _BOOLEAN,
        False,
        None,
        _CLUSTER_WIDE,
        "Whether a replica that is not in sync may become leader, which loses acknowledged records.",
    ),
)

SECTIONS = {
    "Listeners and connections": LISTENERS,
    "Identity": IDENTITY,
    "Topics": TOPICS,
    "Logs": LOGS,
    "Groups": GROUPS,
    "Defaults of topic settings": TOPIC_DEFAULTS,
}

BROKER_PROPERTIES = {row.name: row for rows in SECTIONS.values() for row in rows}
