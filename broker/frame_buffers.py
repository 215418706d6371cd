"""The memory that request frames are received into.

All connections of a broker share one scratch buffer: a read event fills it, and the whole frames in it are handled
where they lie before the next event. A frame that is larger than the scratch gets a buffer of its own, sized from its
length prefix and used again. Buffers are anonymous maps: they start on a page (a bytearray starts 16 bytes into one,
and kernel copies into it were measured up to five times slower), and a frame that announces 100 MB costs address
space until its bytes arrive.
"""

from __future__ import annotations

import mmap

SCRATCH_BYTES = 256 * 1024
_POOLED_BUFFER_BYTES_MAX = 8 * 1024 * 1024
_POOLED_BUFFERS_PER_SIZE_MAX = 2


class FrameBuffers:
    """The scratch buffer and the pool of larger ones; sizes are powers of two."""

    def __init__(self) -> None:
        self.scratch = memoryview(mmap.mmap(-1, SCRATCH_BYTES))
        self._free: dict[int, list[memoryview]] = {}

    def take(self, size_bytes: int) -> memoryview:
        """Return a writable buffer of at least `size_bytes`."""
        capacity = 1 << (size_bytes - 1).bit_length()
        free = self._free.get(capacity)
        if free:
            return free.pop()
        return memoryview(mmap.mmap(-1, capacity))

    def give_back(self, buffer: memoryview) -> None:
        """Keep the buffer for a later frame, unless it is a rare large one: that goes back to the system."""
        if len(buffer) <= _POOLED_BUFFER_BYTES_MAX:
            free = self._free.setdefault(len(buffer), [])
            if len(free) < _POOLED_BUFFERS_PER_SIZE_MAX:
                free.append(buffer)
