"""A broker that says what a test tells it to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted_broker(script: Script) -> AsyncIterator[tuple[str, int]]:
    """Run `script` for each connection to a port of 127.0.0.1, and close the connection when it returns."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Read one frame, without its length."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


def framed(frame: bytes) -> bytes:
    """A frame with its length."""
    return len(frame).to_bytes(4) + frame


def answering(*bodies: bytes) -> Script:
    """A script that answers one request after the other, with the correlation id of each and the body given."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in bodies:
            request = await read_frame(reader)
            writer.write(framed(request[4:8] + body))
        await reader.read()

    return answer
