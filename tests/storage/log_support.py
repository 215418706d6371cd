"""Batches, logs and failing disks for the tests of storage."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from protocol.record_batch import BatchHeader, read_header
from protocol.records import Record
from storage.file_span import FileSpan
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.built_batches import build_batch

NOW_MS = 1_700_000_000_000


def batch_of(values: Sequence[bytes] = (b"v",), timestamp: int = NOW_MS, **fields: int) -> bytearray:
    """A producer's batch: its offsets start at 0."""
    return build_batch([Record(index, timestamp, None, value) for index, value in enumerate(values)], **fields)


def create_log(
    directory: str, config: LogConfig | None = None, filesystem: Filesystem | None = None, **options: Any
) -> Log:
    """An empty log in a new directory."""
    filesystem = filesystem or Filesystem()
    filesystem.make_directories(directory)
    return Log.create(directory, "orders", 0, config or LogConfig(), filesystem, now_ms=NOW_MS, **options)


def open_log(
    directory: str, config: LogConfig | None = None, filesystem: Filesystem | None = None, **options: Any
) -> Log:
    """The log in a directory as it is found after a clean stop."""
    return Log.open(directory, "orders", 0, config or LogConfig(), filesystem or Filesystem(), now_ms=NOW_MS, **options)


def take(span: FileSpan | None) -> bytes:
    """The bytes of a span, released."""
    if span is None:
        return b""
    data = span.read()
    assert len(data) == len(span)
    span.release()
    return data


def headers_of(data: bytes) -> list[BatchHeader]:
    """The headers of whole batches one after another."""
    headers: list[BatchHeader] = []
    position = 0
    while position < len(data):
        headers.append(read_header(data, position))
        position += headers[-1].size_bytes
    assert position == len(data)
    return headers


def read_all(log: Log, max_bytes: int = 1 << 20) -> list[BatchHeader]:
    """The headers of all batches of a log, read as a consumer does."""
    headers: list[BatchHeader] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = take(log.read(offset, max_bytes, max_offset=log.log_end_offset, min_one_message=True))
        assert data, f"nothing at {offset}"
        headers += headers_of(data)
        offset = headers[-1].next_offset
    return headers


class FailingFilesystem(Filesystem):
    """Fails calls by name: `fail["pwrite"] = lambda *args: OSError | None`. A full disk writes a part first."""

    def __init__(self) -> None:
        super().__init__()
        self.fail: dict[str, Callable[..., OSError | None]] = {}
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or name in ("fail", "calls", "platform") or not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            rule = self.fail.get(name)
            error = rule(*args) if rule is not None else None
            if error is None:
                return value(*args, **kwargs)
            if name == "pwrite" and error.errno == errno.ENOSPC and len(args[1]) > 1:
                # A full disk takes what fits and says so at the next write.
                fd, data, position = args
                self.fail[name] = lambda *_: _restore(self.fail, name, rule, error)
                return value(fd, memoryview(data)[: len(data) // 2], position)
            raise error

        return call


def _restore(rules: dict[str, Any], name: str, rule: Any, error: OSError) -> OSError:
    rules[name] = rule
    return error


def no_space(*_: Any) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def no_descriptor(*_: Any) -> OSError:
    return OSError(errno.EMFILE, "Too many open files")


def broken(*_: Any) -> OSError:
    return OSError(errno.EIO, "Input/output error")
