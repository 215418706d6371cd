"""The broker: makes its parts in the order in which they need each other, and ends them in the reverse order."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_directory_error import LogDirectoryError
from storage.log_manager import LogManager
from storage.shortages import is_shortage

from .clock import Clock
from .cold_reads import ColdReads
from .config import Config, StartupError
from .config_follower import ConfigFollower
from .config_types import ConfigSource
from .connection import Connection
from .coordinators.groups import GroupCoordinator
from .data_directory import DataDirectory
from .delayed import DelayedRequests
from .fetch_sessions import FetchSessionCache
from .gateways import Gateways
from .housekeeping import Housekeeping
from .listeners import advertised_listeners_of, describe_access, describe_advertised, gateway_host_of, listeners_of
from .metadata.image import MetadataImage, difference
from .metadata.publisher import ImagePublisher
from .metadata.registration import check_owner, register_broker
from .metadata.sqlite import SqliteStore
from .metadata.store import MetadataStore, StoreError
from .metadata.writer import MetadataWriter
from .partitions import PartitionTable
from .producer_ids import ProducerIdAllocator
from .record_deletion import RecordDeletion
from .replicas import ReplicaController
from .security.authorizer import AllowAll, Authorizer
from .server import Server
from .topic_config import defaults_not_yet_in_force, log_config, valid_overrides
from .topics import TopicController

if TYPE_CHECKING:
    from .configs import ConfigController
    from .log_mover import LogMover
    from .topic_descriptions import TopicDescriptions
    from .wire.serving import WireTap

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# Ctrl-C is answered within half a second whatever a client does; a reply takes milliseconds.
_LAST_REPLIES_SECONDS = 0.2


class Broker:
    """One broker in a process that may hold several: everything that it uses is handed in or made here."""

    metadata: MetadataStore
    images: ImagePublisher
    logs: LogManager
    partitions: PartitionTable
    record_deletion: RecordDeletion
    writer: MetadataWriter
    topics: TopicController
    replicas: ReplicaController
    groups: GroupCoordinator
    producer_ids: ProducerIdAllocator
    server: Server
    cluster_id: str

    def __init__(
        self,
        config: Config,
        directory: DataDirectory,
        *,
        clock: Clock,
        filesystem: Filesystem,
        authorizer: Authorizer | None = None,
        tap: WireTap | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.filesystem = filesystem
        self.authorizer = authorizer or AllowAll()
        self.node_id = config.node_id
        self.cold_reads = ColdReads()
        self.delayed = DelayedRequests(clock)
        self.fetch_sessions = FetchSessionCache(config.int("max.incremental.fetch.session.cache.slots"), clock)
        self.failed = False
        """Whether the last log directory has failed, so that the process ends with exit code 1."""
        self._directory = directory
        self._tap = tap
        self._housekeeping = Housekeeping()
        self._remove_sooner: Callable[[], None] = lambda: None
        self._config_follower = ConfigFollower(config, self._on_config_change)
        self._advertised = advertised_listeners_of(config)
        self._gateway_host = gateway_host_of(config)
        self._gateways = Gateways(clock)
        self._running: set[asyncio.Task[Any]] = set()
        self._on_failure: Callable[[], None] = lambda: None

    # --- life --------------------------------------------------------------------------------------------------

    async def start(self, on_failure: Callable[[], None]) -> None:
        """Open metadata and logs, recover what a crash has left, and only then accept connections.

        `on_failure` is called when the last log directory has failed. Raises StartupError.
        """
        self._on_failure = on_failure
        try:
            self.metadata = await SqliteStore.open(self._directory.metadata_path, durable=not self._directory.ephemeral)
        except StoreError as error:
            raise StartupError(str(error)) from error
        try:
            await self._open_logs()
        except (LogDirectoryError, StoreError) as error:
            await self.metadata.close()
            raise StartupError(_sentence(error)) from error
        self.producer_ids = ProducerIdAllocator(self.metadata)
        self.writer = MetadataWriter(self.metadata, self.images)
        self.topics = TopicController(self.config, self.writer, self.images)
        self.replicas = ReplicaController(self.writer, self.images)
        self.groups = GroupCoordinator(self.config, self.clock, self.delayed, self.images, self.partitions, self.topics)
        self.images.subscribe(self.groups)
        self.images.start()
        self._start_housekeeping()
        self.server = Server(self, asyncio.get_running_loop(), self._tap)
        try:
            self._listen()
        except StartupError:
            await self.stop()
            raise
        self.images.subscribe(self.server)
        idle_connections = self.server.idle_connections
        self._housekeeping.every(idle_connections.interval_ms, "idle-connections", idle_connections.sweep)
        self.groups.start()
        if self.logs.moves.moves:
            self.log_mover.resume()

    def _listen(self) -> None:
        """Accept connections; raises StartupError for an address of the file or the command line that cannot be bound.

        One that was set at run time keeps no broker from starting.
        """
        try:
            self.server.listen(listeners_of(self.config))
        except StartupError as error:
            if self.config.source("listeners") is not ConfigSource.DYNAMIC_BROKER_CONFIG:
                raise
            logger.warning("[configs] The listeners set at run time are not in force: %s", error)
            self.server.stop_accepting()
            self.withdraw_listeners()
            self.server.listen(listeners_of(self.config))

    def withdraw_listeners(self) -> bool:
        """Return to the listeners of the file until others are set; False if none were set at run time."""
        if self.config.source("listeners") is not ConfigSource.DYNAMIC_BROKER_CONFIG:
            return False
        self._config_follower.withdraw("listeners", "listener.security.protocol.map")
        return True

    async def _open_logs(self) -> None:
        """Make the partitions that the metadata knows; raises LogDirectoryError or StoreError."""
        await check_owner(self.metadata, self.node_id)
        rack, cluster_id = map(self.config.optional_str, ("broker.rack", "ottla.cluster.id"))
        self.cluster_id = await register_broker(self.metadata, self.node_id, rack, cluster_id)
        self.images = ImagePublisher(self.metadata)
        image = await self.images.load()
        self._config_follower.apply(image)
        self.images.subscribe(self._config_follower)
        if waiting := defaults_not_yet_in_force(self.config):
            logger.warning("[configs] Kept, but not yet in force: %s", ", ".join(waiting))
        loop = asyncio.get_running_loop()

        def on_offline(lost: Sequence[tuple[str, int]]) -> None:
            # The failure may have come up in any thread; the partition table is the loop's.
            loop.call_soon_threadsafe(self._on_directory_failure, lost)

        def on_removal_sooner() -> None:
            loop.call_soon_threadsafe(lambda: self._remove_sooner())

        self.logs = LogManager(
            self._directory.log_directories(self.config),
            self.filesystem,
            cluster_id=self.cluster_id,
            node_id=self.node_id,
            now_ms=self.clock.now_ms,
            broker_epoch=image.brokers[self.node_id].start_count,
            producer_id_expiration_ms=lambda: self.config.int("producer.id.expiration.ms"),
            file_delete_delay_ms=lambda: self.config.int("log.segment.delete.delay.ms"),
            on_offline=on_offline,
            on_removal_sooner=on_removal_sooner,
        )
        self.partitions = PartitionTable(self.config, self.clock, self.logs, self.delayed)
        self.record_deletion = RecordDeletion(self.partitions, self.logs, self.clock)
        expected = {
            (topic.name, index): topic.topic_id
            for topic in image.topics.values()
            for index, partition in enumerate(topic.partitions)
            if self.node_id in partition.replicas
        }
        report = await asyncio.to_thread(
            self.logs.load, expected, lambda topic: log_config(image.topics[topic].configs, self.config)
        )
        if report.recovered:
            logger.info(
                "%s checked (%d bytes), %d had to be cut",
                _counted(report.recovered, "log was", "logs were"),
                report.bytes_scanned,
                len(report.cuts),
            )
        if missing := [key for key in expected if self.logs.get(*key) is None]:
            these = _counted(len(missing), "partition has", "partitions have")
            logger.warning("%s no log directory, and an empty log is made, as of %s-%d", these, *missing[0])
        if invalid := [t.name for t in image.topics.values() if len(valid_overrides(t.configs)) < len(t.configs)]:
            these = _counted(len(invalid), "topic has", "topics have")
            logger.warning("%s settings that are not valid any longer, as %s", these, invalid[0])
        await self.partitions.prepare(MetadataImage(), image, difference(MetadataImage(), image, image.topics))
        self.images.subscribe(self.partitions)

    def _start_housekeeping(self) -> None:
        every = self._housekeeping.every
        every(self.config.int("log.flush.offset.checkpoint.interval.ms"), "checkpoint", self._checkpoint)
        check_ms = self.config.int("log.retention.check.interval.ms")
        every(
            check_ms,
            "retention",
            self.record_deletion.enforce_retention,
            first_ms=min(check_ms, self.config.int("log.initial.task.delay.ms")),
        )
        self._remove_sooner = self._housekeeping.when_due("remove-deleted", self._remove_deleted)
        every(self.config.int("producer.id.expiration.check.interval.ms"), "expire-producers", self._expire_producers)

    def _on_config_change(self) -> None:
        self._advertised = advertised_listeners_of(self.config)

    async def _checkpoint(self) -> None:
        """Sync what has been rolled and write down how far each log is on disk: a recovery need not read it again."""
        for log in self.logs.rolled_logs():
            try:
                await self._sync_rolled(log)
            except OSError as error:
                if is_shortage(error):
                    logger.warning("[%s-%d] The log cannot be synced: %s", log.topic, log.partition, error.strerror)
                else:
                    self.logs.fail(log, error)
        await asyncio.to_thread(self.logs.checkpoint)

    @staticmethod
    async def _sync_rolled(log: Log) -> None:
        flush = log.begin_flush(rolled_only=True)
        try:
            await asyncio.to_thread(flush.sync)
        except OSError:
            flush.release()
            raise
        log.end_flush(flush)

    async def _remove_deleted(self) -> int | None:
        return await asyncio.to_thread(self.logs.remove_deleted)

    async def _expire_producers(self) -> None:
        expired = self.logs.expire_producers()
        if expired:
            logger.info("%s forgotten", _counted(expired, "idle producer is", "idle producers are"))

    async def stop(self) -> None:
        """Accept no more, answer what waits, flush, and mark the shutdown clean."""
        self.server.stop_accepting()
        # First, or the sessions of all members of groups would seem to have ended.
        await self.groups.close()
        self.delayed.complete_all()
        await self.server.close(_LAST_REPLIES_SECONDS)
        await self._housekeeping.close()
        if self._running:
            await asyncio.wait(self._running)
        if "log_mover" in vars(self):
            await self.log_mover.close()
        # Before the logs are closed: it may be having some made, in a thread.
        await self.writer.close()
        await self.images.close()
        await self.cold_reads.close()
        await asyncio.to_thread(self.logs.close)
        await self.metadata.close()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
        """Run off the hot path what a handler must await; it goes on when the connection that asked has closed."""
        task = asyncio.get_running_loop().create_task(coroutine)
        reply = asyncio.shield(task)

        def on_done(task: asyncio.Task[_T]) -> None:
            self._running.discard(task)
            # Nobody waits for it any more who would say so.
            if reply.cancelled() and not task.cancelled() and (error := task.exception()) is not None:
                logger.error("A request whose connection has closed failed", exc_info=error)

        self._running.add(task)
        task.add_done_callback(on_done)
        return reply

    @functools.cached_property
    def configs(self) -> ConfigController:
        """The controller of settings, imported by the first request that changes some."""
        from .configs import ConfigController

        return ConfigController(self.config, self.writer, self.images, self.clock, self.server)

    @functools.cached_property
    def topic_descriptions(self) -> TopicDescriptions:
        """What Metadata shows of the topics, imported by the first request for it."""
        from .topic_descriptions import TopicDescriptions

        return TopicDescriptions(self.node_id, self.partitions)

    # --- addresses ---------------------------------------------------------------------------------------------

    def endpoints(self) -> list[tuple[str, int]]:
        """Return host and port of every listener, the port being the one that was bound."""
        return self.server.endpoints()

    def advertised(self, node_id: int, connection: Connection) -> tuple[str, int] | None:
        """Return host and port at which the peer of a connection reaches a node, None if the node is not known."""
        if node_id != self.node_id:
            return None
        advertised = self._advertised.get(connection.listener.name)
        if advertised is None:
            return None
        host, port = connection.local_address
        return advertised.host or self._gateway_host_for(connection) or host, advertised.port or port

    def advertisements(self) -> list[str]:
        """Return what the clients of each listener are told, and who may use them, as sentences for people."""
        bound = [
            listener._replace(port=port)
            for listener, (_, port) in zip(listeners_of(self.config), self.server.endpoints(), strict=True)
        ]
        sentences = [
            describe_advertised(
                listener,
                self._advertised.get(listener.name),
                self._gateway_host if listener.is_on_every_address else None,
            )
            for listener in bound
        ]
        return [*sentences, *describe_access(bound)]

    def _gateway_host_for(self, connection: Connection) -> str | None:
        if self._gateway_host and connection.listener.is_on_every_address and connection.peer_host in self._gateways:
            return self._gateway_host
        return None

    # --- log directories ---------------------------------------------------------------------------------------

    @functools.cached_property
    def log_mover(self) -> LogMover:
        """Moves logs between directories; imported by the first request for that, or where a move is to go on."""
        from .log_mover import LogMover

        return LogMover(self.config, self.logs, self.clock)

    def _on_directory_failure(self, lost: Sequence[tuple[str, int]]) -> None:
        """Serve the lost partitions no more; without any log directory the broker ends."""
        self.partitions.take_offline(lost)
        if not self.logs.online_directories:
            logger.error("The last log directory has failed: the broker ends.")
            self.failed = True
            self._on_failure()


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
