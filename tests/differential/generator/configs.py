"""Requests about settings, and about what else an admin client asks of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..peers import NODE_ID
from ..script import Value
from .world import INTERNAL_TOPIC, World

Body = dict[str, Value]

_SIZES = ("1000", "1048576", "0", "-1", "-2", "abc", "", "9223372036854775808", " 1024 ", "1e3")
_MILLISECONDS = ("0", "1000", "604800000", "-1", "-2", "9223372036854775807", "x", None)
_BOOLEANS = ("true", "false", "TRUE", "yes", "")
_LISTS = ("delete", "compact", "compact,delete", "", "delete,delete", "none", " delete , compact ", ",")
TOPIC_CONFIGS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "cleanup.policy": _LISTS,
    "compression.gzip.level": ("1", "9", "0", "10", "-1"),
    "compression.lz4.level": ("1", "17", "0", "18"),
    # Kafka obeys the others: see the departures.
    "compression.type": ("producer", "none", "GZIP"),
    "compression.zstd.level": ("3", "-131072", "22", "23"),
    "delete.retention.ms": _MILLISECONDS,
    "file.delete.delay.ms": ("1000", "60000", "-1"),
    "flush.messages": ("1", "0", "9223372036854775807"),
    "flush.ms": ("0", "1000", "-1"),
    "follower.replication.throttled.replicas": ("*", "0:1", "0:1,1:1", "0", "a:b", ""),
    "index.interval.bytes": ("4096", "0", "-1"),
    "leader.replication.throttled.replicas": ("*", "0:1", "x"),
    "local.retention.bytes": ("-2", "1000", "-3"),
    "local.retention.ms": ("-2", "1000", "-3"),
    "max.compaction.lag.ms": ("1", "0", "9223372036854775807"),
    "max.message.bytes": ("100", "1048588", "0", "-1"),
    "message.timestamp.after.max.ms": ("3600000", "0", "-1"),
    "message.timestamp.before.max.ms": ("9223372036854775807", "0", "500"),
    "message.timestamp.type": ("CreateTime", "LogAppendTime", "createtime", ""),
    "min.cleanable.dirty.ratio": ("0.5", "0", "1", "1.1", "-0.1", "x"),
    "min.compaction.lag.ms": ("0", "1000", "-1"),
    "min.insync.replicas": ("1", "2", "0"),
    "preallocate": _BOOLEANS,
    "remote.storage.enable": _BOOLEANS,
    "remote.log.copy.disable": _BOOLEANS,
    "remote.log.delete.on.disable": _BOOLEANS,
    "retention.bytes": _SIZES,
    "retention.ms": _MILLISECONDS,
    "segment.bytes": ("1048576", "14", "1048575", "2147483647", "2147483648"),
    # Of 4 bytes, which is valid, Kafka then cannot make an index, and nobody leads the partition.
    "segment.index.bytes": ("10485760", "100", "3"),
    "segment.jitter.ms": ("0", "100", "-1"),
    "segment.ms": ("1", "604800000", "0"),
    "unclean.leader.election.enable": _BOOLEANS,
    "no.such.setting": ("1",),
    "": ("1",),
}
"""Every setting of a topic, and values that it takes and does not take."""

BROKER_CONFIGS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "log.retention.ms": _MILLISECONDS,
    "log.retention.bytes": ("-1", "1000000", "x"),
    "log.segment.bytes": ("1048576", "1073741824", "10"),
    "log.cleanup.policy": _LISTS,
    "log.flush.interval.messages": ("1000", "0"),
    "log.index.interval.bytes": ("4096", "-1"),
    "log.message.timestamp.type": ("CreateTime", "LogAppendTime", "x"),
    "log.roll.ms": ("604800000", "0"),
    "log.segment.delete.delay.ms": ("1000", "-1"),
    "message.max.bytes": ("1048588", "2000000", "-1", "x"),
    "compression.type": ("producer", "x"),
    "log.preallocate": _BOOLEANS,
    "unclean.leader.election.enable": _BOOLEANS,
    "node.id": ("1", "2"),
    "num.partitions": ("1", "3", "0"),
    "no.such.property": ("1",),
}
"""Properties of a broker that may change without harm, that may not, and one that there is not."""

_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP = 2, 4, 8, 16, 32
_LOGGERS = ("root", "kafka.server.KafkaApis", "ottla", "no.such.Logger")
_SET, _DELETE, _APPEND, _SUBTRACT = range(4)


def topic_config(world: World) -> tuple[str, str | None]:
    """Name and value of a setting of a topic."""
    name = world.draw.pick(list(TOPIC_CONFIGS))
    values = TOPIC_CONFIGS[name]
    return name, values[0] if world.draw.chance(0.5) else world.draw.pick(values)


def _config(world: World, resource_type: int) -> tuple[str, str | None]:
    if resource_type == _LOGGER:
        return world.draw.pick(_LOGGERS), world.draw.pick(("INFO", "DEBUG", "info", "LOUD", None))
    if resource_type == _BROKER:
        name = world.draw.pick(list(BROKER_CONFIGS))
        return name, world.draw.pick(BROKER_CONFIGS[name])
    return topic_config(world)


def _resource(world: World) -> tuple[int, str]:
    draw = world.draw
    kind = draw.weighted({_TOPIC: 10, _BROKER: 4, _LOGGER: 0.5, _METRICS: 0.1, _GROUP: 0.1, 0: 0.1, 3: 0.1})
    if kind == _TOPIC:
        return kind, world.topics_with_internal(1)[-1].name
    if kind == _GROUP:
        return kind, world.group_name()
    if kind in (_BROKER, _LOGGER):
        return kind, draw.weighted({str(NODE_ID): 6, "": 3, "7": 0.4, "x": 0.4})
    return kind, draw.pick(("any", ""))


def describe_configs(world: World, version: int) -> Body:
    draw = world.draw
    resources = []
    for kind, name in [_resource(world) for _ in range(draw.number(1, 2))]:
        keys = None
        if draw.chance(0.7):
            keys = [_config(world, kind)[0] for _ in range(draw.number(0, 3))]
        resources.append({"resource_type": kind, "resource_name": name, "configuration_keys": keys})
    body: Body = {"resources": resources, "include_synonyms": draw.chance(0.4)}
    if version >= 3:
        body["include_documentation"] = draw.chance(0.15)
    return body


def alter_configs(world: World, version: int) -> Body:
    return _alteration(world, with_operation=False)


def incremental_alter_configs(world: World, version: int) -> Body:
    return _alteration(world, with_operation=True)


def _alteration(world: World, *, with_operation: bool) -> Body:
    draw = world.draw
    resources = []
    for kind, name in dict.fromkeys(_resource(world) for _ in range(draw.weighted({1: 8, 2: 2}))):
        if name == INTERNAL_TOPIC.name:
            continue  # some of its settings would keep Kafka from writing down what groups do
        configs = []
        for config, value in (_config(world, kind) for _ in range(draw.weighted({1: 6, 2: 2, 0: 0.3}))):
            entry: Body = {"name": config, "value": value}
            if with_operation:
                entry["config_operation"] = draw.weighted({_SET: 8, _DELETE: 2, _APPEND: 1, _SUBTRACT: 1, 5: 0.1})
            configs.append(entry)
        resources.append({"resource_type": kind, "resource_name": name, "configs": configs})
    return {"resources": resources, "validate_only": draw.chance(0.2)}


def list_config_resources(world: World, version: int) -> Body:
    types = [_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP, 0, 1]
    return {"resource_types": world.draw.sample(types, world.draw.number(0, 2))} if version else {}


# --- logs, quotas, users, features ---------------------------------------------------------------------------------


def describe_client_quotas(world: World, version: int) -> Body:
    draw = world.draw
    components = []
    for _ in range(draw.number(0, 2)):
        match_type = draw.number(0, 2)
        match = draw.pick(("alice", "nobody")) if match_type == 0 else None
        components.append({"entity_type": _entity_type(world), "match_type": match_type, "match": match})
    return {"components": components, "strict": draw.chance(0.5)}


def alter_client_quotas(world: World, version: int) -> Body:
    draw = world.draw
    keys = (
        "producer_byte_rate",
        "consumer_byte_rate",
        "request_percentage",
        "controller_mutation_rate",
        "no_such_rate",
    )
    entries = []
    for _ in range(draw.weighted({1: 5, 2: 1})):
        entity = [
            {"entity_type": _entity_type(world), "entity_name": draw.pick(("alice", "nobody"))}
            for _ in range(draw.weighted({1: 6, 2: 2, 0: 0.5}))
        ]
        ops = [
            {"key": draw.pick(keys), "value": 1000.0, "remove": draw.chance(0.85)}
            for _ in range(draw.weighted({1: 6, 2: 1, 0: 0.3}))
        ]
        entries.append({"entity": entity, "ops": ops})
    return {"entries": entries, "validate_only": draw.chance(0.5)}


def _entity_type(world: World) -> str:
    return world.draw.weighted({"user": 6, "client-id": 4, "ip": 2, "group": 0.5, "": 0.2})


def describe_user_scram_credentials(world: World, version: int) -> Body:
    draw = world.draw
    users = [{"name": draw.pick(("alice", "bob", ""))} for _ in range(draw.number(0, 2))]
    return {"users": None if draw.chance(0.2) else users}


def update_features(world: World, version: int) -> Body:
    draw = world.draw
    updates = []
    for _ in range(draw.weighted({0: 1, 1: 6, 2: 1})):
        update: Body = {"feature": draw.pick(("no.such.feature", "a", "")), "max_version_level": draw.number(0, 2)}
        if version:
            update["upgrade_type"] = draw.number(1, 3)
        else:
            update["allow_downgrade"] = draw.chance(0.3)
        updates.append(update)
    body: Body = {"timeout_ms": 60_000, "feature_updates": updates}
    if version:
        body["validate_only"] = draw.chance(0.3)
    return body


def describe_quorum(world: World, version: int) -> Body:
    draw = world.draw
    topics = [{"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]
    if draw.chance(0.4):
        topics = [
            {"topic_name": topic.name, "partitions": [{"partition_index": world.partition(topic)}]}
            for topic in world.topics_for_request()
        ]
    return {"topics": topics}


def describe_cluster(world: World, version: int) -> Body:
    body: Body = {"include_cluster_authorized_operations": world.draw.chance(0.4)}
    if version >= 1:
        body["endpoint_type"] = world.draw.weighted({1: 9, 2: 1, 3: 0.5})
    if version >= 2:
        body["include_fenced_brokers"] = world.draw.chance(0.4)
    return body


def api_versions(world: World, version: int) -> Body:
    if version < 3:
        return {}
    name = world.draw.weighted({"a-client": 9, "": 1, "-x": 1, "a b": 1})
    return {"client_software_name": name, "client_software_version": world.draw.pick(("1.0", "1.0", "2", "", "."))}


def unregister_broker(world: World, version: int) -> Body:
    return {"broker_id": world.draw.pick((0, 2, 7, -1))}


def describe_acls(world: World, version: int) -> Body:
    draw = world.draw
    return _acl_filter(world) | {"operation": draw.number(1, 12), "permission_type": draw.number(1, 3)}


def delete_acls(world: World, version: int) -> Body:
    draw = world.draw
    return {
        "filters": [
            _acl_filter(world) | {"operation": draw.number(1, 12), "permission_type": draw.number(1, 3)}
            for _ in range(draw.number(0, 2))
        ]
    }


def _acl_filter(world: World) -> Body:
    draw = world.draw
    return {
        "resource_type_filter": draw.number(1, 7),
        "resource_name_filter": draw.pick(("orders", None)),
        "pattern_type_filter": draw.number(1, 4),
        "principal_filter": draw.pick(("User:alice", None, "alice")),
        "host_filter": draw.pick(("*", None)),
    }


def create_acls(world: World, version: int) -> Body:
    draw = world.draw
    return {
        "creations": [
            {
                "resource_type": draw.number(1, 7),
                "resource_name": draw.pick(("orders", "*", "")),
                "resource_pattern_type": draw.number(1, 4),
                "principal": draw.pick(("User:alice", "alice", "")),
                "host": "*",
                "operation": draw.number(1, 12),
                "permission_type": draw.number(1, 3),
            }
            for _ in range(draw.number(0, 2))
        ]
    }


BODIES: Final[Mapping[str, Callable[[World, int], Body]]] = {
    "DescribeConfigs": describe_configs,
    "AlterConfigs": alter_configs,
    "IncrementalAlterConfigs": incremental_alter_configs,
    "ListConfigResources": list_config_resources,
    "DescribeClientQuotas": describe_client_quotas,
    "AlterClientQuotas": alter_client_quotas,
    "DescribeUserScramCredentials": describe_user_scram_credentials,
    "UpdateFeatures": update_features,
    "DescribeQuorum": describe_quorum,
    "DescribeCluster": describe_cluster,
    "ApiVersions": api_versions,
    "UnregisterBroker": unregister_broker,
    "DescribeAcls": describe_acls,
    "DeleteAcls": delete_acls,
    "CreateAcls": create_acls,
}
