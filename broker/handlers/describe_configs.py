"""DescribeConfigs (key 32), versions 1-4: the settings of topics and brokers, and the levels of loggers.

Behaviour
- Each resource has its own error; one of a type that does not exist refuses the whole request, as in Kafka.
- A broker tells of itself alone: of every property that something obeys, and of what else was given at its start or
  set later; or by the empty name of what is set at run time for all brokers. Settings that are not asked for, and names
  that are none, are left out; an empty list asks for all.
- Passwords are listed without their values, and so is what is unknown, as it might be one.
- It takes DESCRIBE_CONFIGS on the topic or group, or on the cluster for anything else.
- The loggers are those of this program, and documentation is in words of its own.
- Groups and client metrics have no settings here, and none are listed. Departure: Kafka lists the defaults of theirs.
- Departure: a topic setting shows every broker property that is its default. Kafka hides log.retention.hours and its
  like, and says DEFAULT_CONFIG of a value that comes from there.

Versions: 1 sources and synonyms (KIP-226); 3 types and documentation (KIP-569); 4 flexible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from protocol.codec import encoder
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

from ..config_entries import ConfigEntry, broker_entries, cluster_default_entries, topic_entries
from ..config_types import ConfigSource
from ..core.controller.configs import ConfigResourceType, parse_node_id
from ..core.controller.topic_names import validate_topic_name
from ..loggers import logger_levels
from ..security.acl import AclOperation
from .config_resources import refusal

if TYPE_CHECKING:
    from ..context import RequestContext

_TYPES = frozenset(ConfigResourceType)


def handle(ctx: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    """Answer from the configuration and the current image."""
    if all(resource.resource_type in _TYPES for resource in request.resources):
        describer = _Describer(ctx, request)
        results = [describer.describe(resource) for resource in request.resources]
    else:
        error = KafkaError(ErrorCode.INVALID_REQUEST, "The request has a resource of an unknown type.")
        results = [_failed(resource, error) for resource in request.resources]
    return DescribeConfigsResponse(throttle_time_ms=0, results=results)


class _Describer:
    """Describes the resources of one request; topics with the same overrides share one list, encoded once."""

    def __init__(self, ctx: RequestContext, request: DescribeConfigsRequest) -> None:
        self._ctx = ctx
        self._request = request
        self._topics: dict[tuple[object, ...], list[DescribeConfigsResourceResult | bytes]] = {}

    def describe(self, resource: DescribeConfigsResource) -> DescribeConfigsResult:
        resource_type = ConfigResourceType(resource.resource_type)
        name = resource.resource_name
        refused = refusal(self._ctx, AclOperation.DESCRIBE_CONFIGS, resource_type, name)
        if refused is not None:
            return _failed(resource, refused)
        keys = resource.configuration_keys
        configs: list[DescribeConfigsResourceResult | bytes]
        try:
            if resource_type is ConfigResourceType.TOPIC:
                configs = self._topic(name, keys)
            else:
                configs = [*self._results(_entries(self._ctx, resource_type, name), keys)]
        except KafkaError as error:
            return _failed(resource, error)
        return DescribeConfigsResult(
            error_code=ErrorCode.NONE,
            error_message="",
            resource_type=resource.resource_type,
            resource_name=name,
            configs=configs,
        )

    def _topic(self, name: str, keys: list[str] | None) -> list[DescribeConfigsResourceResult | bytes]:
        """Return the settings of a topic; raises KafkaError if there is none."""
        validate_topic_name(name)
        topic = self._ctx.broker.images.current.topics.get(name)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
        known = (*topic.configs.items(), *(keys or ()))
        if known not in self._topics:
            parts: list[Any] = []
            encode = encoder(DescribeConfigsResourceResult, self._ctx.api_version)
            for result in self._results(topic_entries(topic.configs, self._ctx.broker.config), keys):
                encode(result, parts)
            self._topics[known] = parts
        return self._topics[known]

    def _results(
        self, entries: Iterable[ConfigEntry], keys: Collection[str] | None
    ) -> list[DescribeConfigsResourceResult]:
        return [_result(entry, self._request) for entry in entries if not keys or entry.name in keys]


def _entries(ctx: RequestContext, resource_type: ConfigResourceType, name: str) -> list[ConfigEntry]:
    """Return all settings of a resource that is no topic; raises KafkaError for one that there is not."""
    config = ctx.broker.config
    match resource_type:
        case ConfigResourceType.BROKER:
            if not name:
                return cluster_default_entries(config)
            _check_node_id(ctx, name, f"expected {config.node_id} or empty string,")
            return broker_entries(config)
        case ConfigResourceType.BROKER_LOGGER:
            if not name:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
            _check_node_id(ctx, name, f"expected {config.node_id}")
            return [
                ConfigEntry(logger, level, ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG, False, False, None, (), "")
                for logger, level in logger_levels().items()
            ]
        case _:
            if not name:
                what = "Group" if resource_type is ConfigResourceType.GROUP else "Client metrics subscription"
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"{what} name must not be empty")
            return []


def _check_node_id(ctx: RequestContext, name: str, expected: str) -> None:
    if parse_node_id(name, "Broker id") != ctx.broker.node_id:
        message = f"Unexpected broker id, {expected} but received {name}"
        raise KafkaError(ErrorCode.INVALID_REQUEST, message)


def _result(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        is_sensitive=entry.sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=synonym.name, value=synonym.value, source=synonym.source)
            for synonym in (entry.synonyms if request.include_synonyms else ())
        ],
        config_type=entry.type or 0,
        documentation=entry.documentation if request.include_documentation else None,
    )


def _failed(resource: DescribeConfigsResource, error: KafkaError) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=error.code,
        error_message=error.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
