"""What a partition remembers of its idempotent producers, and the rules it holds their next batch to (KIP-98).

Pure: no files, no clock. `check` judges a batch before it is appended, `update` takes note of one that is in the log;
the same `update` replays old batches at start. The snapshot file is in `producer_snapshot`.

Rules, as Kafka 4.3 answers them:

- one of the last five batches again, by epoch and sequence range: a duplicate, answered with its first offset;
- an epoch below the last one: INVALID_PRODUCER_EPOCH;
- a new epoch starts at sequence 0, the same epoch goes on where it was: else OUT_OF_ORDER_SEQUENCE_NUMBER;
- a producer nothing is known of (new, expired, its records deleted) may start at any sequence;
- sequences wrap from 2^31-1 to 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import TRANSACTIONAL_BIT, BatchHeader

BATCHES_REMEMBERED = 5
"""How many batches of a producer are known as duplicates: a client may have that many requests in flight."""

NO_SEQUENCE = -1
NO_OFFSET = -1
NO_COORDINATOR_EPOCH = -1
_SEQUENCE_MASK = (1 << 31) - 1


class AppendedBatch(NamedTuple):
    """One batch of a producer as it lies in the log; sequences and offsets are inclusive."""

    base_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    timestamp: int
    """Largest timestamp of the batch, ms."""


class Duplicate(NamedTuple):
    """A batch that is in the log already: where it lies, and its largest timestamp in ms."""

    base_offset: int
    last_offset: int
    timestamp: int


class ProducerEntry:
    """State of one producer id: its epoch, its last batches (oldest first), its open transaction."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_timestamp_ms",
        "producer_id",
        "transaction_first_offset",
    )

    def __init__(
        self,
        producer_id: int,
        epoch: int,
        *,
        batches: Iterable[AppendedBatch] = (),
        last_timestamp_ms: int = -1,
        coordinator_epoch: int = NO_COORDINATOR_EPOCH,
        transaction_first_offset: int = NO_OFFSET,
    ) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.batches = deque(batches, BATCHES_REMEMBERED)
        self.last_timestamp_ms = last_timestamp_ms
        """Timestamp of the last batch or transaction marker in ms: what expiry counts from."""
        self.coordinator_epoch = coordinator_epoch
        """Epoch of the transaction coordinator that wrote the last marker; -1 before the first."""
        self.transaction_first_offset = transaction_first_offset
        """First offset of the open transaction; -1 where none is open."""

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProducerEntry):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"ProducerEntry({fields})"


def last_sequence_of(base_sequence: int, records_count: int) -> int:
    """The last sequence of a batch that starts at `base_sequence`: 2^31-1 is followed by 0."""
    return (base_sequence + records_count - 1) & _SEQUENCE_MASK


class ProducerStateManager:
    """The idempotent producers of one partition, by producer id.

    `partition` names it in error messages, as `orders-0`.
    """

    __slots__ = ("_entries", "_partition")

    def __init__(self, partition: str = "") -> None:
        self._partition = partition
        self._entries: dict[int, ProducerEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ProducerEntry]:
        return iter(self._entries.values())

    def get(self, producer_id: int) -> ProducerEntry | None:
        return self._entries.get(producer_id)

    def check(self, header: BatchHeader) -> Duplicate | None:
        """Judges a client's batch that is about to be appended; changes nothing.

        Returns where the batch lies if it is in the log already. Raises KafkaError with INVALID_PRODUCER_EPOCH,
        OUT_OF_ORDER_SEQUENCE_NUMBER or INVALID_TXN_STATE. A batch without a producer id always passes.
        """
        producer_id = header.producer_id
        if producer_id < 0:
            return None
        entry = self._entries.get(producer_id)
        if entry is None:
            return None
        epoch = header.producer_epoch
        first = header.base_sequence
        if epoch == entry.epoch:
            # A batch that goes on where the last one ended is none of the last five: there are 2^31 sequences.
            if first != (entry.last_sequence + 1) & _SEQUENCE_MASK:
                last = last_sequence_of(first, header.last_offset_delta + 1)
                for batch in entry.batches:
                    if batch.base_sequence == first and batch.last_sequence == last:
                        return Duplicate(batch.base_offset, batch.last_offset, batch.timestamp)
                raise KafkaError(
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"Out of order sequence number for producer {producer_id} in partition {self._partition}: "
                    f"{first} (incoming seq. number), {entry.last_sequence} (current end sequence number)",
                )
        elif epoch < entry.epoch:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {producer_id} in partition {self._partition} is {epoch}, "
                f"which is smaller than the last seen epoch {entry.epoch}",
            )
        elif first != 0:
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Invalid sequence number for new epoch of producer {producer_id} in partition {self._partition}: "
                f"{epoch} (request epoch), {first} (seq. number), {entry.epoch} (current producer epoch)",
            )
        if entry.transaction_first_offset >= 0 and not header.is_transactional:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"Expected transactional write from producer {producer_id} in partition {self._partition}",
            )
        return None

    def update(self, header: BatchHeader) -> None:
        """Takes note of a batch that is in the log under the offsets of its header, a client's or a marker.

        Never refuses: what is in the log is the truth, also where a follower's or an older broker's log breaks a rule.
        """
        if header.producer_id < 0:
            return
        if header.is_control:
            self.end_transaction(header.producer_id, header.producer_epoch, header.max_timestamp)
        else:
            self.update_at(header, header.base_offset, header.max_timestamp)

    def update_at(self, header: BatchHeader, base_offset: int, timestamp: int) -> None:
        """`update` for a client's batch with a producer id, whose header is as it came: where it lies, and its time."""
        _, _, _, _, _, attributes, delta, _, _, producer_id, epoch, first, _ = header
        entry = self._entries.get(producer_id)
        if entry is None or entry.epoch != epoch:
            entry = self._entry_at(producer_id, epoch)
        last = (first + delta) & _SEQUENCE_MASK
        # Made so, it takes a third of the time: one for each batch.
        batch: AppendedBatch = tuple.__new__(AppendedBatch, (first, last, base_offset, base_offset + delta, timestamp))
        entry.batches.append(batch)
        entry.last_timestamp_ms = timestamp
        if attributes & TRANSACTIONAL_BIT and entry.transaction_first_offset < 0:
            entry.transaction_first_offset = base_offset

    def end_transaction(
        self, producer_id: int, epoch: int, timestamp_ms: int, coordinator_epoch: int | None = None
    ) -> None:
        """Takes note of a commit or abort marker in the log; None keeps the coordinator epoch that is known."""
        entry = self._entry_at(producer_id, epoch)
        entry.last_timestamp_ms = timestamp_ms
        entry.transaction_first_offset = NO_OFFSET
        if coordinator_epoch is not None:
            entry.coordinator_epoch = coordinator_epoch

    def load(self, entries: Iterable[ProducerEntry]) -> None:
        """Replaces everything by the entries of a snapshot."""
        self._entries = {entry.producer_id: entry for entry in entries}

    def clear(self) -> None:
        self._entries.clear()

    def expire(self, now_ms: int, expiration_ms: int) -> int:
        """Forgets producers whose last timestamp is `producer.id.expiration.ms` old; returns how many.

        One with an open transaction stays.
        """
        expired = [
            entry.producer_id
            for entry in self
            if entry.transaction_first_offset < 0 and now_ms - entry.last_timestamp_ms >= expiration_ms
        ]
        for producer_id in expired:
            del self._entries[producer_id]
        return len(expired)

    def _entry_at(self, producer_id: int, epoch: int) -> ProducerEntry:
        """The entry of a producer at an epoch; another epoch forgets the batches of the one before."""
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._entries[producer_id] = ProducerEntry(producer_id, epoch)
        elif entry.epoch != epoch:
            entry.epoch = epoch
            entry.batches.clear()
        return entry
