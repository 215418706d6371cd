"""Reads from the disk in threads, for whoever met a `ColdRead` on the loop: a slow disk delays those who need it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from storage.cold_read import ColdRead

logger = logging.getLogger(__name__)

# Threads of their own, so that reads of a slow disk do not hold up what syncs, makes and removes files; and of each log
# directory, so that a disk that hangs does not hold up what is read from the others.
_THREADS_MAX = 8

Done = Callable[[Exception | None], None]


class ColdReads:
    """The threads of one broker; its methods are called on the loop's thread."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}
        """By log directory, made when something of it is cold."""

    def read_in(self, reads: Sequence[ColdRead], done: Done) -> None:
        """Have the bytes read into memory and call `done` on the loop, never at once, with the error if there is one.

        There is at least one read. The files stay open meanwhile, also if they are deleted.
        """
        loop = asyncio.get_running_loop()
        pinned: dict[str, list[ColdRead]] = {}
        failure: Exception | None = None
        try:
            for read in reads:
                read.pin()
                pinned.setdefault(read.log_directory, []).append(read)
        except OSError as error:
            failure = error
        outstanding = len(pinned)

        def finish(reads: Sequence[ColdRead], error: Exception | None) -> None:
            nonlocal outstanding, failure
            outstanding -= 1
            failure = failure or error
            try:
                for read in reads:
                    read.unpin()
            finally:
                if not outstanding:
                    done(failure)

        if failure is not None:
            outstanding = 1
            loop.call_soon(finish, [read for each in pinned.values() for read in each], failure)
            return
        for log_directory, each in pinned.items():
            self._threads_of(log_directory).submit(_read, loop, each, finish)

    async def wait_for(self, read: ColdRead) -> None:
        """Return once the bytes are in memory; raises OSError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.read_in((read,), done)
        await future

    def _threads_of(self, log_directory: str) -> ThreadPoolExecutor:
        threads = self._threads.get(log_directory)
        if threads is None:
            threads = self._threads[log_directory] = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="cold-read")
        return threads

    async def close(self) -> None:
        """Wait for the reads that have begun; to be called before the files are closed."""
        for threads in tuple(self._threads.values()):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)


def _read(
    loop: asyncio.AbstractEventLoop,
    reads: Sequence[ColdRead],
    finish: Callable[[Sequence[ColdRead], Exception | None], None],
) -> None:
    failure: Exception | None = None
    try:
        for read in reads:
            read.read_in()
    except Exception as error:
        # Whatever it is: somebody waits, and the files are pinned.
        failure = error
        if not isinstance(error, OSError):
            logger.exception("What is on the disk cannot be read in, after an internal error.")
    loop.call_soon_threadsafe(finish, reads, failure)
