"""A Produce request that begins as others on its connection did: the short way to its answer.

A producer sends the same bytes from its client id up to the count of partitions again and again; then come the index of
one partition, its records, and the end of the request. What those bytes mean is known from the last time, and so is
all of the answer but its numbers: one `unpack`, the append and one `pack` are left, half of the work for a small
request.

Nothing is kept that can change: topic, permission, partition and log are looked up for each request. Where anything is
not as it mostly is, nothing has been done yet, and the request goes to the decoder and the handler of all others.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from protocol.codec import encoder
from protocol.decoding import read_more
from protocol.errors import KafkaError, MalformedFrame
from protocol.header import framed_response_header
from protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from protocol.record_batch import HEADER_BYTES, TRANSACTIONAL_BIT
from protocol.varint import encode_uvarint

from ..context import RequestContext
from ..metadata.image import TopicImage
from ..partition import Partition
from ..security.acl import AclOperation, ResourceType
from .produce_refusal import refuse_without_answer, refused

_SINCE_VERSION: Final = 7  # what is older has another answer, or other rules
_ACKS: Final = (-1, 0, 1)
_ATTRIBUTES_LOW_BYTE: Final = 22  # of a batch
_KEY_VERSION_AND_CORRELATION_ID: Final = Struct(">ii")
_SIZE_AND_CORRELATION_ID: Final = Struct(">ii")
_INDEX_BYTES: Final = 4
# The numbers of an answer, and those that stand in their place while its other bytes are found out.
_NUMBERS: Final = Struct(">ihqqq")
_MARKS: Final = (-0x51525354, -0x5152, -0x5152535455565758, -0x5758515253545556, -0x5354515255565758)


class RepeatedProduce:
    """The requests of one connection that begin with the same bytes, for one partition each."""

    __slots__ = (
        "_acks",
        "_answer_bytes",
        "_answer_end",
        "_answer_start",
        "_ctx",
        "_end",
        "_flexible",
        "_key_and_version",
        "_pack",
        "_prefix",
        "_records_position",
        "_topic_id",
        "_topic_name",
        "_unpack",
    )

    def __init__(
        self, ctx: RequestContext, key_and_version: int, prefix: bytes, end: bytes, request: ProduceRequest
    ) -> None:
        """`prefix` lies between correlation id and partition index, `end` follows the records."""
        self._ctx = ctx
        self._key_and_version = key_and_version
        self._prefix = prefix
        self._end = end
        self._acks = request.acks
        self._topic_name = request.topic_data[0].name
        self._topic_id = request.topic_data[0].topic_id
        self._flexible = ProduceRequest.is_flexible(ctx.api_version)
        # Behind the index comes the size of the records: an int32, or a varint of which this is the first byte.
        layout = Struct(f">ii{len(prefix)}si{'B' if self._flexible else 'i'}")
        self._records_position = layout.size
        self._unpack = layout.unpack_from
        index, error_code, base_offset, log_append_time_ms, log_start_offset = _MARKS
        marked = PartitionProduceResponse(
            index=index,
            error_code=error_code,
            base_offset=base_offset,
            log_append_time_ms=log_append_time_ms,
            log_start_offset=log_start_offset,
        )
        framed = self._framed(0, ProduceResponse(responses=[]), marked)
        start, _, self._answer_end = framed.partition(_NUMBERS.pack(*_MARKS))
        self._answer_start = start[_SIZE_AND_CORRELATION_ID.size :]
        answer = Struct(f">ii{len(self._answer_start)}sihqqq{len(self._answer_end)}s")
        self._answer_bytes = answer.size - 4
        self._pack = answer.pack

    @classmethod
    def after(
        cls, ctx: RequestContext, frame: memoryview, body_position: int, request: ProduceRequest
    ) -> RepeatedProduce | None:
        """Return what answers requests that begin as this one, None if it is of a kind that has no short way."""
        topics = request.topic_data
        version = ctx.api_version
        if (
            version < _SINCE_VERSION
            or request.acks not in _ACKS
            or len(topics) != 1
            or len(topics[0].partition_data) != 1
            or not (records := topics[0].partition_data[0].records)
        ):
            return None
        # Where what lies in the frame is asked of the encoder: it must make the same bytes of the decoded request.
        parts: list[Any] = []
        encoder(ProduceRequest, version)(request, parts)
        head, _, end = parts
        records_position = body_position + len(head)
        if frame[body_position:records_position] != head or frame[records_position + len(records) :] != end:
            return None  # tagged fields, or a length that takes more bytes than it needs
        size_bytes = len(encode_uvarint(len(records) + 1)) if ProduceRequest.is_flexible(version) else 4
        key_and_version, _ = _KEY_VERSION_AND_CORRELATION_ID.unpack_from(frame)
        prefix = frame[_KEY_VERSION_AND_CORRELATION_ID.size : records_position - size_bytes - _INDEX_BYTES]
        return cls(ctx, key_and_version, prefix.tobytes(), end, request)

    def answer(self, frame: memoryview) -> bytes | None:
        """Append the records of a request that begins so, and return the framed answer, empty if there is to be none.

        None for every other request: to that nothing has happened.
        """
        position = self._records_position
        if len(frame) < position:
            return None
        key_and_version, correlation_id, prefix, index, size = self._unpack(frame)
        if prefix != self._prefix or key_and_version != self._key_and_version:
            return None
        if self._flexible:
            if size > 127:
                try:
                    size, position = read_more(frame, position, size)
                except (IndexError, MalformedFrame):
                    return None
            size -= 1
        end = position + size
        if size < HEADER_BYTES or end > len(frame) or frame[end:] != self._end:
            return None
        records = frame[position:end]
        if records[_ATTRIBUTES_LOW_BYTE] & TRANSACTIONAL_BIT:
            return None
        ctx = self._ctx
        broker = ctx.broker
        image = broker.images.current
        topic = image.topics.get(self._topic_name) if self._topic_name else image.topics_by_id.get(self._topic_id)
        if topic is None or not ctx.authorize(AclOperation.WRITE, ResourceType.TOPIC, topic.name):
            return None
        partition = broker.partitions.get_by_id(topic.topic_id, index)
        if partition is None or partition.internal:
            return None
        try:
            appended = partition.append_as_leader(records, broker.clock.now_ms(), self._acks)
        except KafkaError as error:
            return self._refusal(correlation_id, topic, partition, error)
        if not self._acks:
            return b""
        base_offset, _, log_append_time_ms, log_start_offset, _ = appended
        return self._pack(
            self._answer_bytes,
            correlation_id,
            self._answer_start,
            index,
            0,
            base_offset,
            log_append_time_ms,
            log_start_offset,
            self._answer_end,
        )

    def _refusal(self, correlation_id: int, topic: TopicImage, partition: Partition, error: KafkaError) -> bytes:
        """Return the framed answer for records that the log has refused."""
        if not self._acks:
            refuse_without_answer(self._ctx, error)
            return b""
        response = ProduceResponse(responses=[])
        answer = refused(self._ctx, response, topic, partition.index, partition, error)
        return self._framed(correlation_id, response, answer)

    def _framed(self, correlation_id: int, response: ProduceResponse, answer: PartitionProduceResponse) -> bytes:
        """Encode a response that has all but the answer of its only partition."""
        response.responses.append(
            TopicProduceResponse(name=self._topic_name, topic_id=self._topic_id, partition_responses=[answer])
        )
        version = self._ctx.api_version
        parts: list[Any] = []
        encoder(ProduceResponse, version)(response, parts)
        body: bytes = parts[0]
        return framed_response_header(correlation_id, ProduceResponse.has_flexible_header(version), len(body)) + body
