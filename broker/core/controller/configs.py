"""Changing settings: from what a request asks for and what is set to what must be written, or which error to answer.

Pure, as broker.core.controller.topic_creation. Codes and messages are those of Kafka, whose broker and controller each
look at a part. Departures: an operation that does not exist is INVALID_REQUEST everywhere (Kafka answers
UNKNOWN_SERVER_ERROR but for brokers); items are appended to and taken from lists without the space around them; a list
of a broker that is not set is changed from what its file says (Kafka: from its default, so that to append a listener
would take the others away); who lacks the right to change a broker is told so before what is wrong with the values; and
an internal topic stays compacted, since retention would delete what it is there to remember.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError

from ...config_table import BROKER_PROPERTIES, Dynamic
from ...config_types import INT_MAX, ConfigError, ConfigType, parse, to_text
from ...inert_properties import find_property
from ...metadata.image import ConfigImage, MetadataImage
from ...topic_config_table import TOPIC_SETTINGS
from .topic_names import validate_topic_name

VALUE_BYTES_MAX = (1 << 15) - 1  # what a string of the protocol can hold, for those who describe the setting
NOTHING_SET = ConfigImage({}, 0)

_CLEANUP_POLICY = "cleanup.policy"
_COMMA = re.compile(r"\s*,\s*")
_NODE_ID = re.compile(r"[+-]?[0-9]{1,10}")


class ConfigResourceType(IntEnum):
    """Kinds of resources that have settings."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigOperation(IntEnum):
    """What is done to one setting (KIP-339)."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


_TYPES = frozenset(ConfigResourceType)
_REPLACEABLE_TYPES = _TYPES - {ConfigResourceType.BROKER_LOGGER}
_OPERATIONS = frozenset(ConfigOperation)


class ConfigChange(NamedTuple):
    """One setting of a request; the operation may be none that there is."""

    name: str
    operation: int
    value: str | None


class Alteration(NamedTuple):
    """One resource of a request; the type may be none that there is."""

    resource_type: int
    resource_name: str
    changes: Sequence[ConfigChange]
    replaces: bool = False
    """Whether every setting that is not named goes back to its default (AlterConfigs)."""

    @property
    def names_set(self) -> set[str]:
        """The settings that are given a value."""
        return {change.name for change in self.changes if change.operation != ConfigOperation.DELETE}


class ConfigRules(NamedTuple):
    """What the broker's configuration says of changes."""

    node_id: int
    check_topic: Callable[[Mapping[str, str]], object]
    """Raises KafkaError for overrides that a topic cannot have."""
    check_broker: Callable[[int | None, Mapping[str, str], set[str]], object]
    """Told a node id, or None for all brokers, what shall be set for it, and which of that is new; raises KafkaError
    for what cannot hold together with the rest of the configuration."""
    broker_list: Callable[[int | None, str], str]
    """Told a node id, or None for all brokers, and the name of a list: its text where nothing is set for it."""


def refuse_malformed(alterations: Sequence[Alteration]) -> list[KafkaError | None]:
    """For each resource what is wrong with it whatever there is, and whoever asks."""
    counts = Counter(map(_identity, alterations))
    return [_malformed(alteration, counts[_identity(alteration)]) for alteration in alterations]


def plan_topic(alteration: Alteration, image: MetadataImage, rules: ConfigRules) -> dict[str, str]:
    """Return the overrides that the topic shall have; raises KafkaError."""
    name = alteration.resource_name
    topic = image.topics.get(name)
    configs = _apply(alteration, {} if topic is None else topic.configs, _topic_list)
    if not name:
        raise _invalid_request("Default topic resources are not allowed.")
    validate_topic_name(name)
    rules.check_topic(configs)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
    policy = configs.get(_CLEANUP_POLICY, "")
    if (
        topic.internal
        and policy != topic.configs.get(_CLEANUP_POLICY, "")
        and _COMMA.split(policy.strip()) != ["compact"]
    ):
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"The internal topic '{name}' stays {_CLEANUP_POLICY}=compact.")
    return configs


def plan_broker(alteration: Alteration, image: MetadataImage, rules: ConfigRules) -> tuple[int | None, dict[str, str]]:
    """Return the node id, or None for all brokers, and what shall be set for it; raises KafkaError."""
    node_id = None
    if alteration.resource_name:
        node_id = parse_node_id(alteration.resource_name, "Node id")
        if node_id != rules.node_id:
            received = alteration.resource_name
            raise _invalid_request(f"Unexpected broker id, expected {rules.node_id}, but received {received}")

    def list_before(name: str, operation: ConfigOperation) -> str:
        _check_broker_list(name, operation)
        return rules.broker_list(node_id, name)

    configs = _apply(alteration, image.broker_configs.get(node_id, NOTHING_SET).configs, list_before)
    changed = alteration.names_set
    known = {name: row for name in sorted(changed) if (row := find_property(name)) is not None}
    if read_only := [name for name, row in known.items() if row.dynamic is Dynamic.READ_ONLY]:
        raise _invalid_request(f"Cannot update these configs dynamically: [{', '.join(read_only)}]")
    for name, row in known.items():
        try:
            parse(name, row.type, row.valid, configs[name])
        except ConfigError as error:
            raise _invalid_request(str(error)) from error
    per_broker = [name for name, row in known.items() if row.dynamic is Dynamic.PER_BROKER]
    if node_id is None and per_broker:
        message = "Cannot update these configs at default cluster level, broker id must be specified:"
        raise _invalid_request(f"{message} [{', '.join(per_broker)}]")
    rules.check_broker(node_id, configs, changed)
    return node_id, configs


def parse_node_id(text: str, label: str) -> int:
    """Return the node id that a resource is named after; raises KafkaError(INVALID_REQUEST)."""
    if not _NODE_ID.fullmatch(text) or not -INT_MAX - 1 <= int(text) <= INT_MAX:
        raise _invalid_request(f"{label} must be an integer, but it is: {text}")
    return int(text)


def _identity(alteration: Alteration) -> tuple[int, str]:
    """The resource itself: a broker may be named `1`, `01` and `+1`."""
    resource_type, name = alteration[:2]
    if resource_type == ConfigResourceType.BROKER and _NODE_ID.fullmatch(name):
        name = str(int(name))
    return resource_type, name


def _malformed(alteration: Alteration, count: int) -> KafkaError | None:
    if count > 1:
        return _invalid_request("Each resource must appear at most once.")
    changes = alteration.changes
    if len({change.name for change in changes}) < len(changes):
        return _invalid_request("Error due to duplicate config keys")
    nulls = [each.name for each in changes if each.value is None and each.operation != ConfigOperation.DELETE]
    if nulls:
        return _invalid_request(f"Null value not supported for : {', '.join(nulls)}")
    if alteration.resource_type not in (_REPLACEABLE_TYPES if alteration.replaces else _TYPES):
        return _invalid_request(f"Unknown resource type {alteration.resource_type}")
    for change in changes:
        if change.operation not in _OPERATIONS:
            return _invalid_request(f"Unknown operations type {change.operation}")
    return None


def _apply(
    alteration: Alteration,
    before: Mapping[str, str],
    list_before: Callable[[str, ConfigOperation], str],
) -> dict[str, str]:
    """Return what is set after the changes.

    `list_before` returns the text of a list that is changed where nothing was set, and raises KafkaError for what is
    no list.
    """
    configs = {} if alteration.replaces else dict(before)
    for name, operation, value in alteration.changes:
        if operation == ConfigOperation.DELETE:
            configs.pop(name, None)
            continue
        assert value is not None, "refused as malformed"
        if operation == ConfigOperation.SET:
            configs[name] = value
            continue
        text = list_before(name, ConfigOperation(operation))
        configs[name] = _changed_list(configs.get(name, text), ConfigOperation(operation), value)
        if len(configs[name].encode()) > VALUE_BYTES_MAX:
            raise _invalid_config(f"The list {name} would be longer than {VALUE_BYTES_MAX} bytes.")
    return configs


def _topic_list(name: str, operation: ConfigOperation) -> str:
    setting = TOPIC_SETTINGS.get(name)
    if setting is None or setting.type is not ConfigType.LIST:
        raise _invalid_config(f"Can't {operation.name} to key {name} because its type is not LIST.")
    # Kafka's default, whatever the broker's own is.
    default = BROKER_PROPERTIES[setting.synonyms[0].name].default if setting.synonyms else setting.default
    return to_text(default) or ""


def _check_broker_list(name: str, operation: ConfigOperation) -> None:
    row = find_property(name)
    if row is None:
        raise _invalid_config(f"Unknown config name: {name}")
    if row.type is not ConfigType.LIST:
        raise _invalid_config(f"Config value {operation.name.lower()} is not allowed for config key: {name}")


def _changed_list(text: str, operation: ConfigOperation, value: str) -> str:
    """Return the list with the items of `value` that it lacks behind it, or without those that it has."""
    items = [item for item in _COMMA.split(text.strip()) if item]
    changed = _COMMA.split(value.strip())
    if operation == ConfigOperation.SUBTRACT:
        return ",".join(item for item in items if item not in changed)
    return ",".join(dict.fromkeys((*items, *changed)))


def _invalid_request(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)


def _invalid_config(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, message)
