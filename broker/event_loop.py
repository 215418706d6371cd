"""Which event loop serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes it: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: asyncio's own loop serves the same, slower
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop
