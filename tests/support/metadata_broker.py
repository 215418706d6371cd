"""A broker cut down to what the metadata handlers use: real store, images and controllers, no logs, no sockets."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kio.serial import entity_reader

from broker.config import Config, StartupError
from broker.config_follower import ConfigFollower
from broker.configs import ConfigController
from broker.context import RequestContext
from broker.listeners import Listener
from broker.metadata.image import MetadataImage, TopicImage
from broker.metadata.keys import broker_key
from broker.metadata.publisher import ImagePublisher
from broker.metadata.records import BrokerRecord, encode_broker
from broker.metadata.registration import register_broker
from broker.metadata.sqlite import SqliteStore
from broker.metadata.store import Change, Put
from broker.metadata.writer import MetadataWriter
from broker.producer_ids import ProducerIdAllocator
from broker.rate_limited_log import RateLimitedLog
from broker.registry import APIS
from broker.replicas import ReplicaController
from broker.security.acl import AclOperation, ResourceType
from broker.security.authorizer import AllowAll, Authorizer
from broker.topic_descriptions import TopicDescriptions
from broker.topics import TopicController
from protocol.codec import Part, decoder, encoder
from tests.support.manual_clock import ManualClock

NODE_ID = 1


class Connection:
    """Who is asking."""

    principal = "User:ANONYMOUS"
    peer_host = "127.0.0.1"
    listener = SimpleNamespace(name="PLAINTEXT")


class Granting:
    """An authorizer that allows nothing but what it is told, a name of `*` being all of that type."""

    def __init__(self, *granted: tuple[AclOperation, ResourceType, str]) -> None:
        self.granted = set(granted)

    def authorize(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType, name: str
    ) -> bool:
        return bool({(operation, resource_type, name), (operation, resource_type, "*")} & self.granted)

    def authorize_by_resource_type(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        return any(entry[:2] == (operation, resource_type) for entry in self.granted)


class Partitions:
    """Knows only which logs have failed."""

    def __init__(self) -> None:
        self.offline: frozenset[tuple[bytes, int]] = frozenset()

    def fail(self, topic: TopicImage, index: int) -> None:
        self.offline |= {(topic.topic_id, index)}


class MetadataBroker:
    """The broker that a RequestContext of these tests points to; made by `start`."""

    store: SqliteStore
    images: ImagePublisher
    writer: MetadataWriter
    topics: TopicController
    replicas: ReplicaController
    configs: ConfigController
    producer_ids: ProducerIdAllocator

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.node_id = NODE_ID
        self.config = Config({"node.id": str(NODE_ID), **(settings or {})})
        self.authorizer: Authorizer = AllowAll()
        self.clock = ManualClock()
        self.partitions = Partitions()
        self.topic_descriptions = TopicDescriptions(NODE_ID, self.partitions)  # type: ignore[arg-type]
        self.server = SimpleNamespace(bad_clients=RateLimitedLog(logging.getLogger("bad clients"), self.clock))
        self.unreachable: set[int] = set()
        self.ports_taken: set[int] = set()
        self._path = str(directory / "metadata.db")

    async def start(self) -> MetadataBroker:
        self.store = await SqliteStore.open(self._path, durable=False)
        await register_broker(self.store, NODE_ID, "r1")
        self.images = ImagePublisher(self.store)
        image = await self.images.load()
        follower = ConfigFollower(self.config, lambda: None)
        follower.apply(image)
        self.images.subscribe(follower)
        self.images.start()
        self.writer = MetadataWriter(self.store, self.images)
        self.topics = TopicController(self.config, self.writer, self.images)
        self.replicas = ReplicaController(self.writer, self.images)
        self.configs = ConfigController(self.config, self.writer, self.images, self.clock, self)
        self.producer_ids = ProducerIdAllocator(self.store)
        return self

    async def stop(self) -> None:
        await self.images.close()
        await self.store.close()

    @property
    def image(self) -> MetadataImage:
        return self.images.current

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return asyncio.ensure_future(coroutine)

    def advertised(self, node_id: int, connection: object) -> tuple[str, int] | None:
        return None if node_id in self.unreachable else (f"host{node_id}", 9092)

    async def check_listeners(self, listeners: Sequence[Listener]) -> None:
        for listener in listeners:
            if listener.port in self.ports_taken:
                raise StartupError(f"Port {listener.port} is in use.")

    async def listeners_settled(self) -> None:
        """Nothing listens."""

    async def write(self, *changes: Change) -> MetadataImage:
        """Change the store behind the broker's back, as another broker would."""
        return await self.images.wait_for((await self.store.txn([], changes)).revision)

    async def add_brokers(self, *node_ids: int, rack: str | None = None) -> None:
        """Register more brokers, which are all reachable."""
        await self.write(*(Put(broker_key(node_id), encode_broker(BrokerRecord(0, rack))) for node_id in node_ids))

    async def ask(self, api: str, version: int, **fields: Any) -> Any:
        """What a client of that version gets, both ways through the codec; kio must be able to read it as well."""
        [(key, name)] = [(row.key, row.name) for row in APIS if row.module == api]
        messages = importlib.import_module(f"protocol.messages.{api}")
        request_class = getattr(messages, f"{name}Request")
        request = _recode(request_class, version, request_class(**fields))[0]
        context = RequestContext(self, Connection(), key, version, "test", 0)  # type: ignore[arg-type]
        reply = importlib.import_module(f"broker.handlers.{api}").handle(context, request)
        response = await reply if isinstance(reply, asyncio.Future) else reply
        decoded, body = _recode(getattr(messages, f"{name}Response"), version, response)
        kio = importlib.import_module(f"kio.schema.{api}.v{version}.response")
        kio_class = getattr(kio, f"{name}Response")
        _, size = entity_reader(kio_class)(body, 0)
        assert size == len(body)
        return decoded


def _recode(message_class: Any, version: int, message: Any) -> tuple[Any, bytes]:
    """What the other side decodes of a message."""
    parts: list[Part] = []
    encoder(message_class, version)(message, parts)
    body = b"".join(bytes(part) for part in parts)  # type: ignore[arg-type]
    decoded, position = decoder(message_class, version)(memoryview(body), 0)
    assert position == len(body)
    return decoded, body
