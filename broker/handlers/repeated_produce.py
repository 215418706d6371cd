"""A Produce request that begins as others on its connection did: the short way to its answer.

A producer sends the same bytes from its client id up to the count of partitions again and again; then come index and
records of one or several partitions of one topic, and the end of the request. What those bytes mean is known from the
last time, and so is all of the answer but its numbers: for each partition one `unpack`, the append and one `pack` are
left, half of the work for a small request.

Nothing is kept that can change: topic, permission, partition and log are looked up for each request. Where anything is
not as it mostly is, nothing has been done yet, and the request goes to the decoder and the handler of all others.
"""

from __future__ import annotations

from struct import Struct, calcsize
from typing import Any, Final

from protocol.codec import encoder
from protocol.decoding import read_more
from protocol.errors import KafkaError, MalformedFrame
from protocol.header import framed_response_header
from protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from protocol.record_batch import HEADER_BYTES, TRANSACTIONAL_BIT

from ..context import RequestContext
from ..metadata.image import TopicImage
from ..partition import Partition
from ..security.acl import AclOperation, ResourceType
from .produce_refusal import refuse_without_answer, refused

_WRITE: Final = AclOperation.WRITE  # a member of an enum takes 0.1 us to look up
_TOPIC: Final = ResourceType.TOPIC
_SINCE_VERSION: Final = 7  # what is older has another answer, or other rules
_ACKS: Final = (-1, 0, 1)
_PARTITIONS_MAX: Final = 126  # their count is one byte of a flexible request
_ATTRIBUTES_LOW_BYTE: Final = 22  # of a batch
_KEY_VERSION_AND_CORRELATION_ID: Final = Struct(">ii")
_SIZE_BYTES: Final = 4  # of a frame's size, and of the correlation id
# The numbers of a partition's answer, and those that stand in their place while the bytes between are found out.
_NUMBERS: Final = Struct(">ihqqq")
_MARKS: Final = (-0x51525354, -0x5152, -0x5152535455565758, -0x5758515253545556, -0x5354515255565758)


class RepeatedProduce:
    """The requests of one connection that begin with the same bytes, for partitions of one topic."""

    __slots__ = (
        "_acks",
        "_answer_end",
        "_answer_start",
        "_ctx",
        "_end",
        "_flexible",
        "_key_and_version",
        "_next_bytes",
        "_pack_partition",
        "_pack_start",
        "_partition_end",
        "_prefix",
        "_records_position",
        "_start_bytes",
        "_topic_id",
        "_topic_name",
        "_unpack_first",
        "_unpack_next",
    )

    def __init__(self, ctx: RequestContext, key_and_version: int, prefix: bytes, request: ProduceRequest) -> None:
        """`prefix` lies between correlation id and count of partitions."""
        self._ctx = ctx
        self._key_and_version = key_and_version
        self._prefix = prefix
        self._acks = request.acks
        self._topic_name = request.topic_data[0].name
        self._topic_id = request.topic_data[0].topic_id
        self._flexible = ProduceRequest.is_flexible(ctx.api_version)
        # Counts and sizes are int32, or varints of which this is the first byte. A partition ends with tagged fields of
        # its own, or with nothing, which is as false as a count of none.
        size, tagged_fields = ("B", "B") if self._flexible else ("i", "0s")
        first = Struct(f">ii{len(prefix)}s{size}i{size}")
        self._unpack_first = first.unpack_from
        self._records_position = first.size
        between = Struct(f">{tagged_fields}i{size}")
        self._unpack_next = between.unpack_from
        self._next_bytes = between.size
        self._end = b"\0\0\0" if self._flexible else b""  # no tagged fields of partition, topic and request
        self._remember_answer(size)

    def _remember_answer(self, count: str) -> None:
        """Take an answer for two partitions apart, to know what lies before, between and behind their numbers."""
        index, error_code, base_offset, log_append_time_ms, log_start_offset = _MARKS
        marked = PartitionProduceResponse(
            index=index,
            error_code=error_code,
            base_offset=base_offset,
            log_append_time_ms=log_append_time_ms,
            log_start_offset=log_start_offset,
        )
        framed = self._framed(ProduceResponse(responses=[]), [marked, marked])
        before, self._partition_end, behind = framed.split(_NUMBERS.pack(*_MARKS))
        self._answer_start = before[2 * _SIZE_BYTES : -calcsize(count)]
        self._answer_end = behind.removeprefix(self._partition_end)
        start = Struct(f">ii{len(self._answer_start)}s{count}")
        self._pack_start = start.pack
        self._start_bytes = start.size - _SIZE_BYTES
        self._pack_partition = Struct(f">ihqqq{len(self._partition_end)}s").pack

    @classmethod
    def after(
        cls, ctx: RequestContext, frame: memoryview, body_position: int, request: ProduceRequest
    ) -> RepeatedProduce | None:
        """Return what answers requests that begin as this one, None if it is of a kind that has no short way."""
        topics = request.topic_data
        version = ctx.api_version
        if version < _SINCE_VERSION or request.acks not in _ACKS or len(topics) != 1:
            return None
        # Where the count of partitions lies in the frame is asked of the encoder.
        topic = TopicProduceData(name=topics[0].name, topic_id=topics[0].topic_id, partition_data=[])
        without = ProduceRequest(
            transactional_id=request.transactional_id,
            acks=request.acks,
            timeout_ms=request.timeout_ms,
            topic_data=[topic],
        )
        parts: list[Any] = []
        encoder(ProduceRequest, version)(without, parts)
        count_and_end_bytes = 3 if ProduceRequest.is_flexible(version) else 4
        start = parts[0][:-count_and_end_bytes]
        count_position = body_position + len(start)
        if frame[body_position:count_position] != start:
            return None  # a length takes more bytes than it needs
        key_and_version, _ = _KEY_VERSION_AND_CORRELATION_ID.unpack_from(frame)
        prefix = frame[_KEY_VERSION_AND_CORRELATION_ID.size : count_position].tobytes()
        return cls(ctx, key_and_version, prefix, request)

    def answer(self, frame: memoryview) -> bytes | None:
        """Append the records of a request that begins so, and return the framed answer, empty if there is to be none.

        None for every other request: to that nothing has happened.
        """
        if len(frame) < self._records_position:
            return None
        key_and_version, correlation_id, prefix, count, index, size = self._unpack_first(frame)
        if prefix != self._prefix or key_and_version != self._key_and_version:
            return None
        ctx = self._ctx
        broker = ctx.broker
        image = broker.images.current
        topic = image.topics.get(self._topic_name) if self._topic_name else image.topics_by_id.get(self._topic_id)
        if topic is None or not ctx.authorize(_WRITE, _TOPIC, topic.name):
            return None
        batches = self._batches(frame, topic.topic_id, count, index, size)
        if batches is None:
            return None
        now_ms = broker.clock.now_ms()
        acks = self._acks
        failure: KafkaError | None = None
        answers = b""
        for partition, records in batches:
            try:
                if not partition.hosted:  # its log directory has failed under the batch before
                    raise KafkaError(broker.partitions.absence(topic, partition.index))
                base_offset, _, log_append_time_ms, log_start_offset, _ = partition.append_as_leader(
                    records, now_ms, acks
                )
            except KafkaError as error:
                failure = error
                answers += self._refused(topic, partition, error)
            else:
                answers += self._pack_partition(
                    partition.index, 0, base_offset, log_append_time_ms, log_start_offset, self._partition_end
                )
        if not acks:
            if failure is not None:
                refuse_without_answer(ctx, failure)
            return b""
        answers += self._answer_end
        return self._pack_start(self._start_bytes + len(answers), correlation_id, self._answer_start, count) + answers

    def _batches(
        self, frame: memoryview, topic_id: bytes, count: int, index: int, size: int
    ) -> list[tuple[Partition, memoryview]] | None:
        """Return the partitions and their records, None unless each is there once with a batch that it may take.

        `count` is that of the frame, `index` and `size` those of the first partition.
        """
        partitions = self._ctx.broker.partitions
        flexible = self._flexible
        if flexible:
            count -= 1
        if not 0 < count <= _PARTITIONS_MAX:
            return None
        frame_bytes = len(frame)
        position = self._records_position
        batches: list[tuple[Partition, memoryview]] = []
        while True:
            if flexible:
                if size > 127:
                    try:
                        size, position = read_more(frame, position, size)
                    except (IndexError, MalformedFrame):
                        return None
                size -= 1
            end = position + size
            if size < HEADER_BYTES or end > frame_bytes:
                return None
            records = frame[position:end]
            partition = partitions.get_by_id(topic_id, index)
            if partition is None or partition.internal or records[_ATTRIBUTES_LOW_BYTE] & TRANSACTIONAL_BIT:
                return None
            batches.append((partition, records))
            if len(batches) == count:
                break
            position = end + self._next_bytes
            if position > frame_bytes:
                return None
            tagged_fields, index, size = self._unpack_next(frame, end)
            if tagged_fields:
                return None
        if frame[end:] != self._end or (count > 1 and len(dict(batches)) < count):
            return None
        return batches

    def _refused(self, topic: TopicImage, partition: Partition, error: KafkaError) -> bytes:
        """Encode the answer for records that the log has refused: no error of a log adds to the rest of a response."""
        response = ProduceResponse(responses=[])
        answer = refused(self._ctx, response, topic, partition.index, partition, error)
        return self._framed(response, [answer])[self._start_bytes + _SIZE_BYTES : -len(self._answer_end)]

    def _framed(self, response: ProduceResponse, answers: list[PartitionProduceResponse]) -> bytes:
        """Encode a response that has all but the answers of its partitions, to a request of no correlation id."""
        response.responses.append(
            TopicProduceResponse(name=self._topic_name, topic_id=self._topic_id, partition_responses=answers)
        )
        version = self._ctx.api_version
        parts: list[Any] = []
        encoder(ProduceResponse, version)(response, parts)
        body: bytes = parts[0]
        return framed_response_header(0, ProduceResponse.has_flexible_header(version), len(body)) + body
