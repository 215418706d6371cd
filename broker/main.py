"""One broker as a process: event loop, log, signals, the line that says it is ready, the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from itertools import starmap
from threading import Thread
from typing import TYPE_CHECKING

from storage.filesystem import Filesystem

from .broker import Broker
from .clock import Clock
from .config import Config
from .data_directory import DataDirectory, has_data, refuse_logs_of_others
from .event_loop import loop_factory
from .listeners import advertised_listeners_of, warn_of_unknown_hosts
from .server import check_addresses

if TYPE_CHECKING:
    from .wire.serving import WireTap
    from .wire.wire_log import WireLogOptions

logger = logging.getLogger(__name__)

_EXIT_INTERRUPTED = 130
_OLD_COLLECTION_THRESHOLD = 1000  # collections of the middle generation; Python's default is 10


def run(
    config: Config, data_dir: str, ephemeral: bool, started_ms: float, wire_log: WireLogOptions | None = None
) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    `started_ms` is the monotonic time at which the process began, `wire_log` what is to be logged of requests. 0 is a
    clean end, 1 one forced by the failure of the last log directory. Raises StartupError for what keeps the broker from
    starting.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    _raise_descriptor_limit()
    if names := config.names_not_in_table:
        from .config_remarks import remark_on

        remark_on(names, config.place)
    filesystem = Filesystem()
    if ephemeral or not has_data(data_dir):
        # Before a start that is in vain leaves anything behind.
        check_addresses(config)
        refuse_logs_of_others(config.log_dirs if ephemeral else [data_dir, *config.log_dirs])
    directory = DataDirectory.temporary(filesystem) if ephemeral else DataDirectory(data_dir, filesystem)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_serve(config, directory, filesystem, started_ms, wire_log))
    finally:
        directory.close()


def _keep_garbage_collection_short() -> None:
    """Look through all objects a hundred times less often: each look holds the loop for tens of milliseconds.

    What serves requests leaves no cycles behind, and those of errors and tasks are found while they are young. What has
    been made by now stays for ever and is not looked at again.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _OLD_COLLECTION_THRESHOLD)
    gc.freeze()


def _raise_descriptor_limit() -> None:
    """Let connections and segments have all the file descriptors that the system allows, as a JVM does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS gives a hard limit that cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(
    config: Config,
    directory: DataDirectory,
    filesystem: Filesystem,
    started_ms: float,
    wire_log: WireLogOptions | None,
) -> int:
    if wire_log is None:
        return await _serve_until_stopped(config, directory, filesystem, started_ms, None)
    from .wire.serving import tapped

    async with tapped(wire_log) as tap:
        return await _serve_until_stopped(config, directory, filesystem, started_ms, tap)


async def _serve_until_stopped(
    config: Config, directory: DataDirectory, filesystem: Filesystem, started_ms: float, tap: WireTap | None
) -> int:
    clock = Clock()
    broker = Broker(config, directory, clock=clock, filesystem=filesystem, tap=tap)
    stop = asyncio.Event()
    _end_on_signals(stop)
    await broker.start(on_failure=stop.set)
    brokers = len(broker.images.current.brokers)
    if max(config.int("default.replication.factor"), config.int("min.insync.replicas")) > brokers:
        from .config_remarks import remark_on_replicas

        remark_on_replicas(config, brokers)
    _keep_garbage_collection_short()
    try:
        endpoints = ", ".join(starmap(_address, broker.endpoints()))
        elapsed_ms = clock.monotonic_ms() - started_ms
        print(  # noqa: T201  # the line that people and programs wait for (docs/pytest.md)
            f"Ottla is ready on {endpoints}, data in {directory.path}, cluster {broker.cluster_id}, "
            f"in {elapsed_ms:.0f} ms",
            flush=True,
        )
        for sentence in broker.advertisements():
            logger.info("[listeners] %s", sentence)
        if hosts := {endpoint.host for endpoint in advertised_listeners_of(config).values() if endpoint.host}:
            # The end of the process does not wait for this thread, as it would for the loop's own.
            Thread(target=warn_of_unknown_hosts, args=(sorted(hosts),), daemon=True).start()
        await stop.wait()
    finally:
        await broker.stop()
    if broker.failed:
        return 1
    logger.info("The broker has stopped cleanly.")
    return 0


def _address(host: str, port: int) -> str:
    """Return host and port as clients write them, `0.0.0.0` for every address."""
    return f"[{host}]:{port}" if ":" in host else f"{host or '0.0.0.0'}:{port}"


def _end_on_signals(stop: asyncio.Event) -> None:
    """End cleanly at the first SIGTERM or Ctrl-C, and at once at a Ctrl-C after that.

    Process managers may send SIGTERM twice, to the process and to its group: the second one says nothing new.
    """

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set() and number is signal.SIGINT:
            sys.stderr.write("Interrupted again: ending at once, the next start will check the logs.\n")
            os._exit(_EXIT_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    # Who starts us may block it (docker/Dockerfile); one that has come meanwhile is handled now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
