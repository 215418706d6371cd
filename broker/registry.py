"""The one table of APIs: what is served, in which versions, by which handler.

ApiVersions, docs/PROTOCOL_SUPPORT.md and the tests are derived from it. Message and handler modules carry the
API's snake-case name and are imported, and their codecs compiled, when the first request of a version arrives:
the port opens before any of them is loaded.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from protocol.codec import Part, decoder, encoder

if TYPE_CHECKING:
    from .context import RequestContext


class Api(NamedTuple):
    """One API: its key and name in Kafka's protocol guide, and the versions that are served."""

    key: int
    name: str
    min_version: int
    max_version: int
    advertised_min_version: int
    """Lower than `min_version` only where a client takes the range as a sign of something else."""
    pipelined: bool = False
    """Whether the connection's next request is handled while a reply of this API is outstanding.

    All others mute their connection until they are answered, as Kafka does, so that a client sees its own writes.
    """
    has_short_way: bool = False
    """Whether requests that are like others on their connection are answered on a way of their own.

    It is the class `Repeated<name>` of handlers/repeated_<name>.
    """
    keeps_awake: bool = False
    """Whether the broker may stay awake for what follows one of these: producing and consuming, see `spinning`."""
    patient: bool = False
    """Whether a client that asks for this can wait while others are served: members of a group have seconds."""

    @property
    def module(self) -> str:
        """The name of the API's file in protocol/messages and in broker/handlers."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()


def _api(key: int, name: str, versions: str, *, advertised_min: int | None = None, **traits: bool) -> Api:
    low, _, high = versions.partition("-")
    lowest = int(low)
    advertised = lowest if advertised_min is None else advertised_min
    return Api(key, name, lowest, int(high or low), advertised, **traits)


API_VERSIONS_KEY = 18

APIS: tuple[Api, ...] = (
    # librdkafka 1.x compresses only for brokers that advertise Produce v0; versions 0-2 are refused all the same.
    _api(0, "Produce", "3-13", advertised_min=0, pipelined=True, has_short_way=True, keeps_awake=True),
    _api(1, "Fetch", "4-18", keeps_awake=True),
    _api(2, "ListOffsets", "1-11"),
    _api(3, "Metadata", "0-13"),
    _api(8, "OffsetCommit", "2-10", has_short_way=True),
    _api(9, "OffsetFetch", "1-10"),
    _api(10, "FindCoordinator", "0-6"),
    _api(11, "JoinGroup", "0-9", patient=True),
    _api(12, "Heartbeat", "0-4", patient=True),
    _api(13, "LeaveGroup", "0-5", patient=True),
    _api(14, "SyncGroup", "0-5", patient=True),
    _api(15, "DescribeGroups", "0-6"),
    _api(16, "ListGroups", "0-5"),
    _api(API_VERSIONS_KEY, "ApiVersions", "0-4"),
    _api(19, "CreateTopics", "2-7"),
    _api(20, "DeleteTopics", "1-6"),
    _api(21, "DeleteRecords", "0-2"),
    _api(22, "InitProducerId", "0-5"),
    _api(23, "OffsetForLeaderEpoch", "2-4"),
    _api(29, "DescribeAcls", "1-3"),
    _api(30, "CreateAcls", "1-3"),
    _api(31, "DeleteAcls", "1-3"),
    _api(32, "DescribeConfigs", "1-4"),
    _api(33, "AlterConfigs", "0-2"),
    _api(34, "AlterReplicaLogDirs", "1-2"),
    _api(35, "DescribeLogDirs", "1-5"),
    _api(37, "CreatePartitions", "0-3"),
    _api(42, "DeleteGroups", "0-2"),
    _api(43, "ElectLeaders", "0-2"),
    _api(44, "IncrementalAlterConfigs", "0-1"),
    _api(45, "AlterPartitionReassignments", "0-1"),
    _api(46, "ListPartitionReassignments", "0"),
    _api(47, "OffsetDelete", "0"),
    _api(48, "DescribeClientQuotas", "0-1"),
    _api(49, "AlterClientQuotas", "0-1"),
    _api(50, "DescribeUserScramCredentials", "0"),
    _api(55, "DescribeQuorum", "0-2"),
    _api(57, "UpdateFeatures", "0-2"),
    _api(60, "DescribeCluster", "0-2"),
    _api(61, "DescribeProducers", "0"),
    _api(64, "UnregisterBroker", "0"),
    _api(74, "ListConfigResources", "0-1"),
    _api(75, "DescribeTopicPartitions", "0"),
)

Handler = Callable[["RequestContext", Any], Any]


class Repeated(Protocol):
    """Requests of one connection that begin with the same bytes, or are the same but for some."""

    @classmethod
    def after(cls, ctx: RequestContext, frame: memoryview, body_position: int, request: Any) -> Repeated | None:
        """Return what answers requests that are as this one, None if it is of a kind that has no short way.

        The request is its own from now on.
        """

    def answer(self, frame: memoryview) -> bytes | asyncio.Future[Any] | None:
        """Handle a request that is so, and return the framed answer, empty if there is to be none.

        It may be a future of the response, as from a handler. None for every other request: to that nothing has
        happened.
        """


class Route:
    """All that serves one version of one API."""

    __slots__ = ("api", "decode", "encode", "flexible_request", "flexible_response", "handle", "repeated", "version")

    def __init__(self, api: Api, version: int) -> None:
        messages = importlib.import_module(f"protocol.messages.{api.module}")
        handlers = importlib.import_module(f".handlers.{api.module}", __package__)
        request_class = getattr(messages, f"{api.name}Request")
        response_class = getattr(messages, f"{api.name}Response")
        self.api = api
        self.version = version
        self.flexible_request: bool = request_class.has_flexible_header(version)
        self.flexible_response: bool = response_class.has_flexible_header(version)
        self.decode: Callable[[memoryview, int], tuple[Any, int]] = decoder(request_class, version)
        self.encode: Callable[[Any, list[Part]], None] = encoder(response_class, version)
        self.handle: Handler = handlers.handle
        self.repeated: type[Repeated] | None = None
        """What answers requests that begin as one of these did, if there is a short way to their answers."""
        if api.has_short_way:
            module = importlib.import_module(f".handlers.repeated_{api.module}", __package__)
            self.repeated = getattr(module, f"Repeated{api.name}")


class Router:
    """Finds the route of a request by its key and version, and makes it at the first request."""

    def __init__(self, apis: tuple[Api, ...] = APIS) -> None:
        self._apis = {api.key: api for api in apis}
        self._routes: dict[int, Route] = {}

    def find(self, api_key: int, version: int) -> Route | None:
        """Return the route, or None for a key or a version that is not served."""
        route = self._routes.get(api_key << 16 | version)
        if route is None:
            api = self._apis.get(api_key)
            if api is None or not api.min_version <= version <= api.max_version:
                return None
            route = self._routes[api_key << 16 | version] = Route(api, version)
        return route
