"""Moves of logs as the broker carries them out, but step by step in one thread, with a test between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from protocol.record_batch import BatchHeader
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LoadReport, LogManager
from storage.log_move import LogMove, Piece
from storage.log_moves import Committed

from .log_support import NOW_MS, batch_of, read_all

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=150)
ORDERS = b"o" * 16
KEY = ("orders", 0)
PRODUCER = 7
PIECE_BYTES = 600


class MovedLog:
    """A manager of the log directories `a` and `b`, and a log of an idempotent producer, in `a` at first."""

    def __init__(self, path: Path, filesystem: Filesystem | None = None, **options: Any) -> None:
        self.a = path / "a"
        self.b = path / "b"
        self.now_ms = NOW_MS
        self.offline: list[tuple[str, int]] = []
        """Partitions whose directory has failed."""
        self._filesystem = filesystem or Filesystem()
        self._options = options
        self._sequence = 0
        self.start({})
        self.manager.moves.prefer(KEY, str(self.a))
        self.log = self.manager.create(*KEY, ORDERS, CONFIG)

    def start(self, expected: dict[tuple[str, int], bytes] | None = None) -> LoadReport:
        """Makes the manager and loads the logs that are expected."""
        self.manager = LogManager(
            [str(self.a), str(self.b)],
            self._filesystem,
            cluster_id="cluster",
            node_id=0,
            now_ms=lambda: self.now_ms,
            on_offline=self.offline.extend,
            **self._options,
        )
        report = self.manager.load({KEY: ORDERS} if expected is None else expected, lambda topic: CONFIG)
        log = self.manager.get(*KEY)
        if log is not None:
            self.log = log
        return report

    def restart(self, *, clean: bool = False, expected: dict[tuple[str, int], bytes] | None = None) -> LoadReport:
        self.manager.close(clean=clean)
        return self.start(expected)

    def append(self, times: int = 1, *, epoch: int = 0, records: int = 2) -> None:
        for _ in range(times):
            end_offset = self.log.log_end_offset
            batch = batch_of(
                [b"%d" % (end_offset + index) * 20 for index in range(records)],
                NOW_MS + end_offset,
                producer_id=PRODUCER,
                producer_epoch=0,
                base_sequence=self._sequence,
            )
            self._sequence += records
            self.log.append(batch, epoch, NOW_MS)

    def begin(self, target: Path | None = None) -> LogMove:
        directory = self.manager.moves.directory(str(target or self.b))
        return self.manager.moves.begin(self.log, directory)

    def move(self, target: Path | None = None, **options: Any) -> list[str]:
        return carry_out(self.manager, self.begin(target), **options)

    def remove_deleted(self) -> None:
        self.now_ms += 60_000
        self.manager.remove_deleted()

    @property
    def names(self) -> tuple[set[str], set[str]]:
        """The directories in the two log directories, with `*` for unique ids."""
        return _directories(self.a), _directories(self.b)


def _directories(directory: Path) -> set[str]:
    found = set()
    for path in directory.iterdir():
        if path.is_dir():
            stem, dot, rest = path.name.partition(".")
            found.add(f"{stem}.*{rest[32:]}" if dot else stem)
    return found


def facts(log: Log) -> dict[str, Any]:
    """All that a log knows, and what its readers find."""
    headers: list[BatchHeader] = read_all(log)
    entry = log.producers.get(PRODUCER)
    return {
        "headers": headers,
        "start": log.log_start_offset,
        "end": log.log_end_offset,
        "epochs": log.leader_epochs.entries,
        "producer": entry and list(entry.batches),
        "times": [log.offset_for_timestamp(header.max_timestamp) for header in headers],
        "largest": log.max_timestamp(),
        "segments": [(segment.base_offset, segment.size_bytes) for segment in log.segments],
    }


# --- steps -------------------------------------------------------------------------------------------------------


def steps(manager: LogManager, move: LogMove, piece_bytes: int = PIECE_BYTES) -> Iterator[str]:
    """Carries a move out; between two steps the log may be used, and the move may be cancelled.

    Yields the name of the step that has been taken. Raises OSError and TargetError.
    """
    committed: Committed | None = None
    while committed is None:
        piece: Piece | None = None
        while piece is None or not piece.is_last:
            piece = move.begin(piece_bytes)
            if piece is None:
                break
            yield "begun"
            copy(move, piece)
            yield "copied"
            if move.is_cancelled:
                return
        small_files = move.small_files()
        yield "small files"
        manager.moves.prepare(move, small_files)
        yield "prepared"
        if move.is_cancelled:
            return
        copy(move, move.begin_rest())
        yield "rest"
        committed = manager.moves.commit(move)
        yield "not ready" if committed is None else "committed"
        if move.is_cancelled:
            return
    manager.moves.confirm(committed)
    yield "confirmed"
    while not manager.moves.rename(committed):
        yield "not renamed"
    yield "renamed"
    manager.moves.finish(committed)
    yield "finished"


def copy(move: LogMove, piece: Piece | None) -> None:
    if piece is None:
        return
    try:
        piece.copy()
    except BaseException:
        piece.release()
        raise
    move.end(piece)


def carry_out(
    manager: LogManager,
    move: LogMove,
    *,
    piece_bytes: int = PIECE_BYTES,
    between: Callable[[str], None] = lambda step: None,
) -> list[str]:
    """Takes all steps of a move and returns their names."""
    taken = []
    for step in steps(manager, move, piece_bytes):
        taken.append(step)
        between(step)
    return taken


def take_to(taking: Iterator[str], wanted: str) -> None:
    """Takes steps until one of that name has been taken."""
    for step in taking:
        if step == wanted:
            return
    raise AssertionError(f"no step {wanted!r}")
