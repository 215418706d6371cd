"""Ids of topics and clusters."""

from __future__ import annotations

import os


def random_uuid() -> bytes:
    """A random uuid (version 4) whose text does not begin with a dash, which command lines take for an option."""
    while True:
        uuid = bytearray(os.urandom(16))
        if uuid[0] >> 2 != 62:  # the first six bits are the first character of the base64 text, and 62 is "-"
            uuid[6] = uuid[6] & 0x0F | 0x40
            uuid[8] = uuid[8] & 0x3F | 0x80
            return bytes(uuid)
