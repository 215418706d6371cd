"""The proxy as a process: event loop, log, signals, the line that says it is ready."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from ..clock import Clock
from ..event_loop import loop_factory
from .addresses import Address, address_text
from .proxy import Proxy
from .wire_log import WireLogOptions, open_log


def run(listen: Address, to: Address, options: WireLogOptions) -> int:
    """Pass on what comes until SIGTERM or SIGINT and return the exit code.

    Raises StartupError for what keeps the proxy from starting.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_serve(listen, to, options))


async def _serve(listen: Address, to: Address, options: WireLogOptions) -> int:
    log = open_log(options, Clock())
    host, port = listen
    proxy = Proxy(host, log, Clock())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        port = await proxy.open(port, to)
        # Not on stdout, which may be the wire log's.
        sys.stderr.write(f"Ottla's wire is ready on {address_text((host, port))}, for {address_text(to)}\n")
        await stop.wait()
    finally:
        await proxy.close()
        await log.close()
    return 0
