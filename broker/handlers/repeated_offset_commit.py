"""An OffsetCommit request that differs from another on its connection in offsets and leader epochs alone.

A consumer commits the same partitions again and again, and as long as its generation lasts all else of the request
stays the same: what its bytes mean is known from the last time, and so is the answer if nothing is refused. One
`unpack` and one `pack` take the place of the codecs, which are a quarter of what a commit of one offset costs.

Nothing is kept that can change: the request, with the new offsets in it, goes to the handler of all others.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any, Final

from protocol.codec import encoder
from protocol.header import framed_response_header
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

from ..context import RequestContext
from .offset_commit import handle

_SINCE_VERSION: Final = 6  # what is older has no leader epochs
_BYTES_MAX: Final = 1024  # so much may be kept for a connection
_KEY_VERSION_AND_CORRELATION_ID: Final = Struct(">ii")
_SIZE_AND_CORRELATION_ID: Final = Struct(">ii")
# Offset and leader epoch, and those that stand in their place while the other bytes are found out.
_NUMBERS: Final = Struct(">qi")
_MARKS: Final = (-0x5152535455565758, -0x51525354)


class RepeatedOffsetCommit:
    """The requests of one connection that are the same but for their offsets and leader epochs."""

    __slots__ = ("_answer", "_answer_bytes", "_constants", "_ctx", "_key_and_version", "_layout", "_request")

    def __init__(
        self, ctx: RequestContext, key_and_version: int, constants: tuple[bytes, ...], request: OffsetCommitRequest
    ) -> None:
        """`constants` are the bytes from the client id on, parted by the numbers of each partition."""
        self._ctx = ctx
        self._key_and_version = key_and_version
        self._constants = constants
        self._request = request
        self._layout = _layout_of(constants)
        answer = self._framed(0, OffsetCommitResponse(topics=_topics_without_error(request)))
        self._answer_bytes = len(answer) - 4
        self._answer = answer[_SIZE_AND_CORRELATION_ID.size :]

    @classmethod
    def after(
        cls, ctx: RequestContext, frame: memoryview, body_position: int, request: OffsetCommitRequest
    ) -> RepeatedOffsetCommit | None:
        """Return what answers requests that are the same but for numbers, None if it is of a kind without short way.

        The request is kept, and changed by what is answered.
        """
        if ctx.api_version < _SINCE_VERSION or len(frame) > _BYTES_MAX:
            return None
        partitions = [partition for topic in request.topics for partition in topic.partitions]
        for partition in partitions:
            partition.committed_offset, partition.committed_leader_epoch = _MARKS
        # Where the numbers lie in the frame is asked of the encoder: it must make the same bytes of the request.
        parts: list[Any] = [frame[_KEY_VERSION_AND_CORRELATION_ID.size : body_position]]
        encoder(OffsetCommitRequest, ctx.api_version)(request, parts)
        constants = tuple(b"".join(parts).split(_NUMBERS.pack(*_MARKS)))
        layout = _layout_of(constants)
        if len(constants) != len(partitions) + 1 or layout.size != len(frame):
            return None  # tagged fields, a length that takes more bytes than it needs, or text that looks like a mark
        key_and_version, _, *numbered = layout.unpack(frame)
        return cls(ctx, key_and_version, constants, request) if tuple(numbered[::3]) == constants else None

    def answer(self, frame: memoryview) -> bytes | asyncio.Future[OffsetCommitResponse] | None:
        """Commit the offsets of a request that is the same, and return the framed answer or a future of the response.

        None for every other request: to that nothing has happened.
        """
        layout = self._layout
        if len(frame) != layout.size:
            return None
        fields = layout.unpack(frame)
        if fields[2::3] != self._constants or fields[0] != self._key_and_version:
            return None
        request = self._request
        position = 3
        for topic in request.topics:
            for partition in topic.partitions:
                partition.committed_offset = fields[position]
                partition.committed_leader_epoch = fields[position + 1]
                position += 3
        reply = handle(self._ctx, request)
        if isinstance(reply, asyncio.Future):
            return reply
        for answered in reply.topics:
            for each in answered.partitions:
                if each.error_code:
                    return self._framed(fields[1], reply)
        return _SIZE_AND_CORRELATION_ID.pack(self._answer_bytes, fields[1]) + self._answer

    def _framed(self, correlation_id: int, response: OffsetCommitResponse) -> bytes:
        version = self._ctx.api_version
        parts: list[Any] = []
        encoder(OffsetCommitResponse, version)(response, parts)
        body: bytes = parts[0]
        flexible = OffsetCommitResponse.has_flexible_header(version)
        return framed_response_header(correlation_id, flexible, len(body)) + body


def _layout_of(constants: tuple[bytes, ...]) -> Struct:
    return Struct(">ii" + "qi".join(f"{len(constant)}s" for constant in constants))


def _topics_without_error(request: OffsetCommitRequest) -> list[OffsetCommitResponseTopic]:
    return [
        OffsetCommitResponseTopic(
            name=topic.name,
            topic_id=topic.topic_id,
            partitions=[
                OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=0)
                for partition in topic.partitions
            ],
        )
        for topic in request.topics
    ]
