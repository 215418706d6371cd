"""Requests about topics on a connection of our own, encoded and read by kafka-python's codecs.

A client's own objects would be most of what is measured, so an answer is timed as the bytes that arrive, and read
afterwards.
"""

import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from kafka.protocol.admin import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from benchmarks.client import TIMEOUT_S, LoadError, Target
from benchmarks.wire import read_frame

CREATE_TOPICS_VERSION = 7
DELETE_TOPICS_VERSION = 5
METADATA_VERSION = 12

_CLIENT_ID = "load"


class TopicsConnection:
    """A connection to the broker, with one request on its way at a time; a context manager."""

    def __init__(self, target: Target) -> None:
        host, _, port = target.bootstrap.rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def create(self, names: Sequence[str], partitions: int) -> float:
        """Create all topics with one request; returns the seconds until its answer. Raises LoadError."""
        topic = CreateTopicsRequest.CreatableTopic
        topics = [topic(name, partitions, -1, [], []) for name in names]
        request = CreateTopicsRequest(topics=topics, timeout_ms=_timeout_ms(), validate_only=False)
        answer, seconds = self.ask(encoded(request, CREATE_TOPICS_VERSION))
        response = CreateTopicsResponse.decode(answer, version=CREATE_TOPICS_VERSION, header=True)
        _check({each.name: each.error_code for each in response.topics}, names)
        return seconds

    def delete(self, names: Sequence[str]) -> float:
        """Delete all topics with one request; returns the seconds until its answer. Raises LoadError."""
        request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=_timeout_ms())
        answer, seconds = self.ask(encoded(request, DELETE_TOPICS_VERSION))
        response = DeleteTopicsResponse.decode(answer, version=DELETE_TOPICS_VERSION, header=True)
        _check({each.name: each.error_code for each in response.responses}, names)
        return seconds

    def ask(self, request: bytes) -> tuple[bytes, float]:
        """Send a request; returns the answer without its size, and the seconds until the whole of it was here."""
        started = time.perf_counter()
        self._socket.sendall(request)
        answer = read_frame(self._socket)
        return answer, time.perf_counter() - started


def metadata_request(names: Sequence[str] | None) -> bytes:
    """Ask for these topics, or for all."""
    topics = None
    if names is not None:
        topics = [MetadataRequest.MetadataRequestTopic(name=name) for name in names]
    request = MetadataRequest(topics=topics, allow_auto_topic_creation=False, include_topic_authorized_operations=False)
    return encoded(request, METADATA_VERSION)


def led_partitions(answer: bytes) -> int:
    """Count the partitions with a leader in an answer to Metadata."""
    response = MetadataResponse.decode(answer, version=METADATA_VERSION, header=True)
    return sum(partition.leader_id >= 0 for topic in response.topics for partition in topic.partitions)


def encoded(request: Any, version: int) -> bytes:
    """Frame one of kafka-python's requests."""
    request.API_VERSION = version
    request.with_header(0, _CLIENT_ID)
    return bytes(request.encode(header=True, framed=True))


def _timeout_ms() -> int:
    return round(TIMEOUT_S * 1e3)


def _check(codes: dict[str, int], names: Sequence[str]) -> None:
    if codes != dict.fromkeys(names, 0):
        failed = {name: code for name, code in codes.items() if code} or "some topics missing"
        raise LoadError(f"the broker answered with error codes {failed}")
