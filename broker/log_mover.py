"""Moving logs between the log directories of this broker while they are served (KIP-113).

A log is copied piece by piece in a thread, so that the loop waits for no disk, and no faster than
`replica.alter.log.dirs.io.max.bytes.per.second` allows, Kafka's quota for all moves of a broker together. Logs go into
each directory one after the other, as disks like it. What is left when the broker ends goes on after the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque

from protocol.errors import ErrorCode, KafkaError
from storage.checkpoints import TopicPartition
from storage.directory_names import FutureName
from storage.log_manager import LogManager
from storage.log_move import LogMove, Piece, TargetError
from storage.log_moves import Committed

from .byte_quota import ByteQuota
from .clock import Clock
from .config import Config
from .config_table import LOG_MOVES_BYTES_PER_SECOND_MAX
from .config_types import ConfigError, ConfigType, at_least, parse

logger = logging.getLogger(__name__)

_PIECE_BYTES = 4 << 20
_PIECE_BYTES_MIN = 64 << 10
_PIECES_PER_SECOND = 4
_QUOTA_CHECK_SECONDS = 1.0
_COMMIT_ATTEMPTS = 8
# For a flush that is under way, or a log that has grown much meanwhile.
_RETRY_SECONDS = 0.01


class LogMover:
    """The moves of one broker; all its methods run on the loop's thread."""

    def __init__(self, config: Config, logs: LogManager, clock: Clock) -> None:
        self._config = config
        self._logs = logs
        self._waiting: dict[str, deque[LogMove]] = {}
        """By path of the log directory that they go to."""
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._beginning = asyncio.Lock()
        self._ending = asyncio.Event()
        self._quota = ByteQuota(clock)

    # --- requests ----------------------------------------------------------------------------------------------

    async def alter(self, key: TopicPartition, path: str) -> None:
        """Have the log of a partition moved to the log directory of that path, if it is not there.

        A move elsewhere is cancelled first, also if the log is there. A partition that has no log here is made in that
        directory if it comes to be made.

        Raises KafkaError: INVALID_TOPIC_EXCEPTION for a name too long for the copy's, LOG_DIR_NOT_FOUND,
        KAFKA_STORAGE_ERROR, or REPLICA_NOT_AVAILABLE where there is no log.
        """
        async with self._beginning:
            await self._alter(key, path)

    async def _alter(self, key: TopicPartition, path: str) -> None:
        if FutureName(key, "0" * 32).is_too_long:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic's name is too long for a log to be moved.")
        moves = self._logs.moves
        directory = moves.directory(path)
        if key in self._logs.offline_partitions:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log directory of {_name(key)} is offline.")
        move = moves.get(key)
        if move is not None and move.log_directory != path:
            moves.cancel(key)
            move = None
        log = self._logs.get(*key)
        if log is None:
            moves.prefer(key, path)
            raise KafkaError(ErrorCode.REPLICA_NOT_AVAILABLE, f"There is no log of {_name(key)} here.")
        if move is not None or directory.logs.get(key) is log:
            return
        if self._logs.offline_directories:
            # As in Kafka: of the copies that there may be then only one may be seen at the next start.
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "No log is moved while a log directory is offline.")
        try:
            move = await asyncio.to_thread(moves.begin, log, directory)
        except OSError as error:
            logger.warning("[%s] The move to %s cannot be begun: %s", _name(key), path, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{_name(key)} cannot be moved: {error}") from error
        self._enqueue(move)

    def resume(self) -> None:
        """Go on with the moves that the broker before has left."""
        for move in self._logs.moves.moves:
            self._enqueue(move)

    async def close(self) -> None:
        """Begin no further piece; logs that have gone on with their copies are brought to their end."""
        self._ending.set()
        await asyncio.gather(*self._workers.values())

    # --- one after the other -----------------------------------------------------------------------------------

    def _enqueue(self, move: LogMove) -> None:
        path = move.log_directory
        self._waiting.setdefault(path, deque()).append(move)
        if path not in self._workers:
            task = asyncio.get_running_loop().create_task(self._work(path), name=f"move-logs-to-{path}")
            self._workers[path] = task

    async def _work(self, path: str) -> None:
        waiting = self._waiting[path]
        while waiting and not self._ending.is_set():
            move = waiting.popleft()
            try:
                await self._carry_out(move)
            except (OSError, TargetError) as error:
                self._logs.moves.fail(move, error)
            except Exception:
                logger.exception("[%s] The move to %s has failed", _name(move.key), path)
                self._logs.moves.cancel(move.key)
        del self._workers[path]

    async def _carry_out(self, move: LogMove) -> None:
        """Move one log; raises OSError and TargetError where a disk fails."""
        committed = None
        while committed is None:
            await self._copy(move)
            if self._is_over(move):
                return
            await asyncio.to_thread(self._logs.moves.prepare, move, move.small_files())
            committed = await self._commit(move)
        await self._finish(committed)

    async def _commit(self, move: LogMove) -> Committed | None:
        """Catch up with whoever writes the log, each time by less, until the log can go on with its copy."""
        for _ in range(_COMMIT_ATTEMPTS):
            if self._is_over(move):
                return None
            await self._copy_piece(move, move.begin_rest())
            committed = self._logs.moves.commit(move)
            if committed is not None:
                return committed
        await asyncio.sleep(_RETRY_SECONDS)
        return None

    def _is_over(self, move: LogMove) -> bool:
        return move.is_cancelled or self._ending.is_set()

    async def _copy(self, move: LogMove) -> None:
        """Copy pieces until one holds all that was missing when it was begun."""
        while not self._is_over(move):
            piece = move.begin(_piece_bytes(self._bytes_per_second()))
            await self._copy_piece(move, piece)
            if piece is None or piece.is_last:
                return
            await self._keep_quota(move, piece.size_bytes)

    async def _copy_piece(self, move: LogMove, piece: Piece | None) -> None:
        if piece is None:
            return
        try:
            await asyncio.to_thread(piece.copy)
        except BaseException:
            piece.release()
            raise
        move.end(piece)

    async def _finish(self, committed: Committed) -> None:
        """Let the moved log have its own name; the broker does not end before."""
        moves = self._logs.moves
        await asyncio.to_thread(moves.confirm, committed)
        while not moves.rename(committed):  # noqa: ASYNC110  # storage has no events
            await asyncio.sleep(_RETRY_SECONDS)
        await asyncio.to_thread(moves.finish, committed)
        logger.info("[%s] moved to %s", _name(committed.move.key), committed.target.path)

    # --- the quota ---------------------------------------------------------------------------------------------

    def _bytes_per_second(self) -> int | None:
        for _, texts in self._config.layers:
            text = texts.get(LOG_MOVES_BYTES_PER_SECOND_MAX)
            if text is not None:
                try:
                    quota = parse(LOG_MOVES_BYTES_PER_SECOND_MAX, ConfigType.LONG, at_least(0), text)
                except ConfigError:
                    return None  # a file may hold anything
                assert isinstance(quota, int)
                return max(1, quota)
        return None

    async def _keep_quota(self, move: LogMove, size_bytes: int) -> None:
        """Wait until the quota allows the next piece, which another quota may do sooner."""
        self._quota.spend(size_bytes)
        while not self._is_over(move):
            bytes_per_second = self._bytes_per_second()
            if bytes_per_second is None:
                self._quota.forgive()
                return
            wait_seconds = self._quota.wait_seconds(bytes_per_second)
            if not wait_seconds:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), min(wait_seconds, _QUOTA_CHECK_SECONDS))


def _piece_bytes(bytes_per_second: int | None) -> int:
    """Pieces are small where the quota is, so that they come evenly."""
    if bytes_per_second is None:
        return _PIECE_BYTES
    return min(_PIECE_BYTES, max(_PIECE_BYTES_MIN, bytes_per_second // _PIECES_PER_SECOND))


def _name(key: TopicPartition) -> str:
    return f"{key[0]}-{key[1]}"
