"""Frames out of a stream of bytes: four bytes that say how long each is, and then as many bytes."""

from __future__ import annotations

import struct
from typing import Final

FRAME_BYTES_MAX: Final = 100 * 1024 * 1024
"""The default of socket.request.max.bytes; what says that it is longer is no frame but something else."""

LENGTH: Final = struct.Struct(">i")


class FrameSplitter:
    """Collects the bytes of one direction; used up once it has lost track, since nothing says where to go on."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.rest = bytearray()
        """What was received behind the last whole frame."""
        self.has_lost_track = False
        """Whether the rest begins with something that cannot be a length."""
        self._frame_bytes_max = frame_bytes_max

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are whole now, without their lengths."""
        self.rest += data
        frames: list[bytes] = []
        position = 0
        while not self.has_lost_track and len(self.rest) - position >= LENGTH.size:
            size_bytes = LENGTH.unpack_from(self.rest, position)[0]
            if not 0 <= size_bytes <= self._frame_bytes_max:
                self.has_lost_track = True
                break
            end = position + LENGTH.size + size_bytes
            if end > len(self.rest):
                break
            frames.append(bytes(memoryview(self.rest)[position + LENGTH.size : end]))
            position = end
        del self.rest[:position]
        return frames
