"""The rules for idempotent producers, case by case and against a model that keeps every batch ever appended."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import CONTROL_BIT, TRANSACTIONAL_BIT, BatchHeader
from storage.producer_state import Duplicate, ProducerStateManager, last_sequence_of

SEQUENCE_MAX = (1 << 31) - 1
DAY_MS = 24 * 3600 * 1000


def header(
    sequence: int,
    count: int = 1,
    *,
    producer_id: int = 7,
    epoch: int = 0,
    offset: int = 0,
    timestamp: int = 1_000,
    attributes: int = 0,
) -> BatchHeader:
    return BatchHeader(
        base_offset=offset,
        batch_length=100,
        partition_leader_epoch=0,
        magic=2,
        crc=0,
        attributes=attributes,
        last_offset_delta=count - 1,
        base_timestamp=timestamp,
        max_timestamp=timestamp,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        records_count=count,
    )


def refused(producers: ProducerStateManager, batch: BatchHeader) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        producers.check(batch)
    assert caught.value.message
    assert "orders-0" in caught.value.message
    return caught.value.code


@pytest.fixture
def producers() -> ProducerStateManager:
    """Producer 7 has sequences 0 to 9 in two batches at offsets 100 to 109."""
    manager = ProducerStateManager("orders-0")
    manager.update(header(0, 5, offset=100, timestamp=1_000))
    manager.update(header(5, 5, offset=105, timestamp=2_000))
    return manager


def test_the_next_sequence_is_accepted_and_a_gap_is_not(producers: ProducerStateManager) -> None:
    assert producers.check(header(10, 3)) is None
    assert refused(producers, header(11)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(producers, header(9)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_duplicate_is_answered_with_its_place(producers: ProducerStateManager) -> None:
    assert producers.check(header(0, 5)) == Duplicate(100, 104, 1_000)
    assert producers.check(header(5, 5)) == Duplicate(105, 109, 2_000)


def test_a_batch_that_only_overlaps_is_no_duplicate(producers: ProducerStateManager) -> None:
    assert refused(producers, header(5, 4)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(producers, header(0, 10)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_five_batches_are_remembered() -> None:
    manager = ProducerStateManager("orders-0")
    for sequence in range(6):
        manager.update(header(sequence, offset=sequence))
    assert refused(manager, header(0)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    for sequence in range(1, 6):
        assert manager.check(header(sequence)) == Duplicate(sequence, sequence, 1_000)


def test_an_older_epoch_is_fenced_and_a_new_one_starts_at_zero(producers: ProducerStateManager) -> None:
    assert refused(producers, header(5, epoch=2)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producers.check(header(0, 5, epoch=2)) is None
    producers.update(header(0, 5, epoch=2, offset=110))
    assert refused(producers, header(10, epoch=1)) is ErrorCode.INVALID_PRODUCER_EPOCH
    # The same sequences of the epoch before are not taken for duplicates.
    assert refused(producers, header(0, 5, epoch=0)) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert producers.check(header(0, 5, epoch=2)) == Duplicate(110, 114, 1_000)


def test_an_unknown_producer_starts_anywhere(producers: ProducerStateManager) -> None:
    assert producers.check(header(42, producer_id=8, epoch=3)) is None


def test_sequences_wrap(producers: ProducerStateManager) -> None:
    producers.update(header(SEQUENCE_MAX - 1, 4, producer_id=8, offset=50))
    assert producers.check(header(SEQUENCE_MAX - 1, 4, producer_id=8)) == Duplicate(50, 53, 1_000)
    assert producers.check(header(2, producer_id=8)) is None
    producers.update(header(SEQUENCE_MAX, 1, producer_id=9))
    assert producers.check(header(0, producer_id=9)) is None
    assert last_sequence_of(SEQUENCE_MAX - 1, 4) == 1


def test_a_batch_without_producer_id_leaves_no_trace(producers: ProducerStateManager) -> None:
    plain = header(-1, producer_id=-1, epoch=-1)
    assert producers.check(plain) is None
    producers.update(plain)
    assert len(producers) == 1


def test_producers_expire_by_their_last_timestamp(producers: ProducerStateManager) -> None:
    producers.update(header(0, producer_id=8, timestamp=5_000))
    assert producers.expire(2_000 + DAY_MS - 1, DAY_MS) == 0
    assert producers.expire(2_000 + DAY_MS, DAY_MS) == 1
    assert producers.get(7) is None
    assert producers.check(header(77)) is None
    assert producers.get(8) is not None


def test_an_open_transaction_keeps_its_producer_and_first_offset() -> None:
    manager = ProducerStateManager("orders-0")
    manager.update(header(0, 2, offset=10, attributes=TRANSACTIONAL_BIT))
    manager.update(header(2, 2, offset=12, attributes=TRANSACTIONAL_BIT))
    entry = manager.get(7)
    assert entry is not None
    assert entry.transaction_first_offset == 10
    assert manager.expire(10 * DAY_MS, DAY_MS) == 0
    assert refused(manager, header(4)) is ErrorCode.INVALID_TXN_STATE
    assert manager.check(header(4, attributes=TRANSACTIONAL_BIT)) is None


def test_a_marker_ends_the_transaction_and_counts_as_no_batch() -> None:
    manager = ProducerStateManager("orders-0")
    manager.update(header(0, 2, offset=10, attributes=TRANSACTIONAL_BIT))
    manager.update(header(-1, offset=12, timestamp=9_000, attributes=TRANSACTIONAL_BIT | CONTROL_BIT))
    entry = manager.get(7)
    assert entry is not None
    assert (entry.transaction_first_offset, entry.last_timestamp_ms, entry.last_sequence) == (-1, 9_000, 1)
    assert manager.check(header(2)) is None
    manager.end_transaction(7, 1, 9_500, coordinator_epoch=4)
    assert (entry.epoch, entry.coordinator_epoch, entry.last_sequence) == (1, 4, -1)
    assert refused(manager, header(2, epoch=1)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert manager.check(header(0, epoch=1)) is None


@dataclass
class Model:
    """Every accepted batch, in order: (producer, epoch, first sequence, count, offset)."""

    batches: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    end_offset: int = 0

    def answer(self, producer: int, epoch: int, first: int, count: int) -> ErrorCode | int | None:
        """What Kafka says: an error, the offset of the duplicate, or None for "append it"."""
        own = [batch for batch in self.batches if batch[0] == producer]
        if not own:
            return None
        latest_epoch = own[-1][1]
        of_epoch = [batch for batch in own if batch[1] == latest_epoch]
        if epoch < latest_epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if epoch > latest_epoch:
            return None if first == 0 else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        for _, _, known_first, known_count, offset in of_epoch[-5:]:
            if (known_first, known_count) == (first, count):
                return offset
        expected = (of_epoch[-1][2] + of_epoch[-1][3]) % (SEQUENCE_MAX + 1)
        return None if first == expected else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def append(self, producer: int, epoch: int, first: int, count: int) -> None:
        self.batches.append((producer, epoch, first, count, self.end_offset))
        self.end_offset += count


STARTS = st.one_of(st.none(), st.integers(0, 12), st.integers(SEQUENCE_MAX - 6, SEQUENCE_MAX))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 2), STARTS, st.integers(1, 4), st.integers(0, 6))))
def test_answers_as_the_model(steps: list[tuple[int, int, int | None, int, int]]) -> None:
    manager, model = ProducerStateManager("orders-0"), Model()
    for producer, epoch, start, size, repeat in steps:
        count = size
        own = [batch for batch in model.batches if batch[0] == producer]
        if start is not None:
            first = start
        elif own and repeat < len(own):  # one of the last batches again
            _, _, first, count, _ = own[-1 - repeat]
        else:
            first = (own[-1][2] + own[-1][3]) % (SEQUENCE_MAX + 1) if own else 0
        batch = header(first, count, producer_id=producer, epoch=epoch, offset=model.end_offset)
        expected = model.answer(producer, epoch, first, count)
        try:
            found = manager.check(batch)
        except KafkaError as error:
            assert error.code == expected
            continue
        if found is not None:
            assert found.base_offset == expected
            continue
        assert expected is None
        manager.update(batch)
        model.append(producer, epoch, first, count)
