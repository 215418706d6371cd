"""The file that a wire log is written to, without anybody waiting for it.

Lines gather in memory and go to a thread a few times a second: a slow disk, a pipe that nobody reads or a terminal that
stands still must not hold the loop. What cannot be written ends the log with one sentence, and serving goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from queue import SimpleQueue
from typing import Final

logger = logging.getLogger(__name__)

STDOUT: Final = "-"

_INTERVAL_SECONDS: Final = 0.1
_CHARACTERS_PER_WRITE: Final = 256 * 1024
# A log that falls so far behind loses lines, and says how many, rather than take all memory.
_CHARACTERS_WAITING_MAX: Final = 64 * 1024 * 1024
_LAST_WRITE_SECONDS: Final = 2.0
_MODE: Final = 0o600  # it shows what clients say to each other


class Sink:
    """An open file; made on the loop that it serves."""

    def __init__(self, path: str) -> None:
        """Open the file, behind what it holds already, or stdout for `-`. Raises OSError."""
        self.path = "standard output" if path == STDOUT else path
        self.is_open = True
        if path == STDOUT:
            self._descriptor = os.dup(sys.stdout.fileno())
        else:
            # Non-blocking only to open it: a pipe that nobody reads is then an error, not a wait.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            self._descriptor = os.open(path, flags, _MODE)
            os.set_blocking(self._descriptor, True)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._lines: list[str] = []
        self._gathered_characters = 0
        self._handed_over_characters = 0
        self._written_characters = 0
        """Counted by the thread, which alone writes it."""
        self._left_out_count = 0
        self._queue: SimpleQueue[list[str] | None] = SimpleQueue()
        # A daemon, as a write that never returns must not keep the process.
        self._thread = threading.Thread(target=self._write_all, name="wire-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, without its end."""
        if not self.is_open:
            return
        waiting_max = _CHARACTERS_WAITING_MAX // 2 if self._left_out_count else _CHARACTERS_WAITING_MAX
        if self._handed_over_characters - self._written_characters > waiting_max:
            self._left_out_count += 1
            return
        if self._left_out_count:
            logger.warning("[wire-log] %s was too slow: %d lines are left out.", self.path, self._left_out_count)
            self._left_out_count = 0
        self._lines.append(line)
        self._gathered_characters += len(line)
        if self._gathered_characters > _CHARACTERS_PER_WRITE:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._queue.put(self._lines)
            self._handed_over_characters += self._gathered_characters
            self._lines = []
            self._gathered_characters = 0

    def _write_all(self) -> None:
        """The life of the thread."""
        try:
            while (lines := self._queue.get()) is not None:
                data = memoryview("".join(f"{line}\n" for line in lines).encode())
                while data:
                    data = data[os.write(self._descriptor, data) :]
                self._written_characters += sum(map(len, lines))
        except OSError as error:
            with contextlib.suppress(RuntimeError):  # the loop has ended before us
                self._loop.call_soon_threadsafe(self._fail, error)
        finally:
            os.close(self._descriptor)

    def _fail(self, error: OSError) -> None:
        self.is_open = False
        self._lines.clear()
        logger.error("[wire-log] Cannot write to %s: %s. The log ends, serving goes on.", self.path, error.strerror)

    async def close(self) -> None:
        """Write what has gathered and close the file, unless that takes too long."""
        self._hand_over()
        self._queue.put(None)
        self.is_open = False
        await asyncio.to_thread(self._thread.join, _LAST_WRITE_SECONDS)
