"""The file of a wire log, and what becomes of it where it cannot be written."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from pathlib import Path

import pytest

from broker.wire import sink
from broker.wire.sink import Sink


async def wait_for(condition: object, what: str) -> None:
    async with asyncio.timeout(30):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_lines_come_to_the_file_soon(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written = Sink(str(path))
    written.write("one")
    written.write("zwei öäü")
    await wait_for(lambda: path.read_text() == "one\nzwei öäü\n", "both lines are there")
    written.write("three")
    await written.close()
    assert path.read_text() == "one\nzwei öäü\nthree\n"
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    written = Sink(str(path))
    written.write("new")
    await written.close()
    assert path.read_text() == "old\nnew\n"


async def test_many_lines_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "_INTERVAL_SECONDS", 3600)
    path = tmp_path / "log"
    written = Sink(str(path))
    lines = [f"{number:0100}" for number in range(10_000)]
    for line in lines:
        written.write(line)
    await wait_for(lambda: path.stat().st_size > 500_000, "most lines are there")
    await written.close()
    assert path.read_text().splitlines() == lines


async def test_a_full_disk_ends_the_log_with_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    written = Sink("/dev/full")
    written.write("one")
    await wait_for(lambda: not written.is_open, "the log ends")
    written.write("two")
    await written.close()
    assert [record.getMessage() for record in caplog.records] == [
        "[wire-log] Cannot write to /dev/full: No space left on device. The log ends, serving goes on."
    ]


async def test_a_pipe_whose_reader_goes_ends_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written = Sink(str(path))
    os.close(reader)
    written.write("one")
    await wait_for(lambda: not written.is_open, "the log ends")
    await written.close()
    assert caplog.messages == [f"[wire-log] Cannot write to {path}: Broken pipe. The log ends, serving goes on."]


async def test_a_pipe_that_nobody_reads_is_an_error_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="No such device or address"):
        Sink(str(path))


async def test_a_reader_that_stands_still_holds_nobody_and_costs_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sink, "_CHARACTERS_PER_WRITE", 1000)
    monkeypatch.setattr(sink, "_CHARACTERS_WAITING_MAX", 500_000)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written = Sink(str(path))
    for number in range(20_000):
        written.write(f"{number:0100}")
    received = bytearray()

    def read_all() -> None:
        os.set_blocking(reader, True)
        while piece := os.read(reader, 65536):
            received.extend(piece)

    thread = threading.Thread(target=read_all)
    thread.start()
    await wait_for(lambda: len(received) > 400_000, "what was kept is read")
    await wait_for(lambda: written_all(written), "the thread has caught up")
    written.write("the last")
    await written.close()
    await asyncio.to_thread(thread.join)
    os.close(reader)
    lines = received.decode().splitlines()
    left_out = 20_000 - (len(lines) - 1)
    assert left_out > 10_000
    assert lines[-1] == "the last"
    counts = [int(count) for count in re.findall(r"was too slow: (\d+) lines are left out", caplog.text)]
    assert sum(counts) == left_out
    assert len(counts) < 10


def written_all(written: Sink) -> bool:
    return written._handed_over_characters == written._written_characters
