"""What a connection sends, call by call: a socket that keeps messages apart shows which parts left together."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.outbox import Outbox, SpanCutShort
from storage.descriptors import CachedFile, DescriptorCache
from storage.file_span import FileSpan
from tests.support.cold_disk import ColdDisk
from tests.support.manual_clock import ManualClock

CONTENT = os.urandom(3_000_000)


class Sending:
    """An outbox, the file that its spans are of, and what arrives."""

    def __init__(self, directory: Path) -> None:
        self.disk = ColdDisk()
        self.directory = directory
        self.clock = ManualClock()
        self.file = CachedFile(DescriptorCache(self.disk), str(directory / "0.log"))
        self.disk.write_fully(self.file.create(), CONTENT, 0)
        self._left, self._right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._left.setblocking(False)
        self._right.setblocking(False)
        self.outbox = Outbox(self._left, 0, self.clock)

    def span(self, position: int, size_bytes: int) -> FileSpan:
        return FileSpan(self.file, position, size_bytes)

    def received(self) -> list[int]:
        """The sizes of what was sent in one call each."""
        sizes = []
        while True:
            try:
                sizes.append(len(self._right.recv(10_000_000)))
            except BlockingIOError:
                return sizes

    def chill(self) -> None:
        """Push the file out of memory."""
        self.disk.chill(self.directory)

    def read_in(self) -> None:
        """Do as the connection does, in a thread of its own, before it sends again."""
        cold = self.outbox.cold
        assert cold is not None
        cold.pin()
        thread = threading.Thread(target=cold.read_in)
        thread.start()
        thread.join()
        cold.unpin()
        self.outbox.warmed()

    def close(self) -> None:
        self._left.close()
        self._right.close()
        self.file.close()


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Sending]:
    sending = Sending(tmp_path)
    yield sending
    sending.outbox.drop()
    assert not sending.file.pins
    sending.close()


def test_small_spans_leave_with_what_is_around_them(sending: Sending) -> None:
    sending.outbox.extend([b"1" * 10, sending.span(0, 100), b"2", sending.span(500, 8192), b"3"])
    assert sending.outbox.send()
    assert sending.received() == [10 + 100 + 1 + 8192 + 1]


def test_no_more_than_a_few_of_them_are_copied_at_once(sending: Sending) -> None:
    sending.outbox.extend([sending.span(8000 * index, 8000) for index in range(5)])
    assert sending.outbox.send()
    assert sending.received() == [16_000, 16_000, 8_000]


def test_bytes_alone_leave_together(sending: Sending) -> None:
    sending.outbox.append(b"12")
    assert sending.outbox.send()
    sending.outbox.extend([b"12", b"", b"3"])
    assert sending.outbox.send()
    assert sending.received() == [2, 3]


def test_what_is_before_a_cold_span_leaves_at_once(sending: Sending) -> None:
    sending.chill()
    sending.outbox.extend([b"1" * 10, sending.span(0, 100), b"23"])
    assert not sending.outbox.send()
    assert sending.received() == [10]
    assert not sending.outbox.send()
    assert sending.received() == []
    sending.read_in()
    assert sending.outbox.send()
    assert sending.received() == [102]
    assert sending.disk.held == []


def test_what_is_before_a_cold_span_does_not_wait_for_more(sending: Sending) -> None:
    flags: list[int] = []

    class Recording:
        def send(self, data: bytes, flag: int) -> int:
            flags.append(flag)
            return len(data)

    outbox = Outbox(Recording(), socket.MSG_MORE, sending.clock)  # type: ignore[arg-type]
    outbox.extend([b"1", *(sending.span(8000 * index, 8000) for index in range(3))])
    assert outbox.send()
    assert flags == [socket.MSG_MORE, 0]
    flags.clear()
    sending.chill()
    outbox.extend([b"1", sending.span(0, 100)])
    assert not outbox.send()
    assert flags == [0]
    outbox.drop()


def test_a_large_span_is_read_in_two_megabytes_at_a_time(sending: Sending) -> None:
    sending.chill()
    sending.outbox.extend([sending.span(0, len(CONTENT))])
    received = 0
    asked = []
    while not sending.outbox.send():
        received += sum(sending.received())
        if sending.outbox.cold is not None:
            asked.append((received, sending.outbox.cold.count))
            sending.read_in()
    received += sum(sending.received())
    assert received == len(CONTENT)
    assert asked == [(0, 2 << 20), (2 << 20, len(CONTENT) - (2 << 20))]
    assert sending.disk.held == []


def test_after_a_pause_it_asks_again(sending: Sending) -> None:
    sending.outbox.extend([sending.span(0, len(CONTENT))])
    assert not sending.outbox.send()
    assert sending.outbox.cold is None, "the socket is full"
    sending.chill()
    sending.clock.advance(2_000)
    sending.received()
    assert not sending.outbox.send()
    assert sending.outbox.cold is not None
    assert sending.disk.held == []


def test_a_small_span_that_is_cut_short(sending: Sending) -> None:
    sending.disk.truncate(sending.file.descriptor(), 50)
    sending.outbox.extend([b"1", sending.span(0, 100)])
    with pytest.raises(SpanCutShort):
        sending.outbox.send()
