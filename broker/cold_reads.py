"""Reads from the disk in threads, for whoever met a `ColdRead` on the loop: a slow disk delays those who need it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from storage.cold_read import ColdRead

# Threads of their own, so that reads of a slow disk do not hold up what syncs, makes and removes files.
_THREADS_MAX = 8

Done = Callable[[OSError | None], None]


class ColdReads:
    """The threads of one broker; its methods are called on the loop's thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="cold-read")

    def read_in(self, reads: Sequence[ColdRead], done: Done) -> None:
        """Have the bytes read into memory and call `done` on the loop, never at once, with the error if there is one.

        The files stay open meanwhile, also if they are deleted.
        """
        loop = asyncio.get_running_loop()
        pinned: list[ColdRead] = []
        try:
            for read in reads:
                read.pin()
                pinned.append(read)
        except OSError as error:
            loop.call_soon(self._finish, pinned, done, error)
            return
        self._threads.submit(self._read, loop, pinned, done)

    async def wait_for(self, read: ColdRead) -> None:
        """Return once the bytes are in memory; raises OSError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: OSError | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.read_in((read,), done)
        await future

    def _read(self, loop: asyncio.AbstractEventLoop, reads: Sequence[ColdRead], done: Done) -> None:
        failure: OSError | None = None
        try:
            for read in reads:
                read.read_in()
        except OSError as error:
            failure = error
        loop.call_soon_threadsafe(self._finish, reads, done, failure)

    @staticmethod
    def _finish(reads: Sequence[ColdRead], done: Done, error: OSError | None) -> None:
        for read in reads:
            read.unpin()
        done(error)

    async def close(self) -> None:
        """Wait for the reads that have begun; to be called before the files are closed."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
