"""Fetch sessions: Kafka's rules one by one, and against a model of all of them together."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.fetch_sessions import EVICTION_MS, NO_SESSION, FetchContext, FetchSessionCache
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from tests.support.manual_clock import ManualClock

BY_NAME, BY_ID = 12, 13
Names = Iterable[tuple[str, int]]


def topic_id(name: str) -> bytes:
    return name.encode().rjust(16, b"\0")


def request(
    session_id: int = 0, epoch: int = 0, fetch: dict[tuple[str, int], int] | None = None, forget: Names = ()
) -> FetchRequest:
    """A request for partitions with their offsets; each partition is a topic entry of its own, as a client may do."""
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        session_id=session_id,
        session_epoch=epoch,
        topics=[
            FetchTopic(
                topic=name,
                topic_id=topic_id(name),
                partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1024)],
            )
            for (name, index), offset in (fetch or {}).items()
        ],
        forgotten_topics_data=[
            ForgottenTopic(topic=name, topic_id=topic_id(name), partitions=[index]) for name, index in forget
        ],
    )


def fetched(context: FetchContext) -> list[tuple[str, int, int]]:
    return [(wanted.topic, wanted.index, wanted.fetch_offset) for wanted in context.partitions.values()]


def opened(cache: FetchSessionCache, partitions: int = 1, version: int = BY_NAME) -> int:
    return cache.begin(request(fetch={("t", i): 0 for i in range(partitions)}), version).session_id()


def refused(cache: FetchSessionCache, version: int = BY_NAME, *, session_id: int, epoch: int) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        cache.begin(request(session_id, epoch), version)
    return caught.value.code


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache(clock: ManualClock) -> FetchSessionCache:
    return FetchSessionCache(3, clock)


def test_a_session_remembers_what_was_asked_for(cache: FetchSessionCache) -> None:
    first = cache.begin(request(fetch={("a", 0): 5, ("b", 1): 6}), BY_NAME)
    assert first.session is None
    session_id = first.session_id()
    assert session_id > 0
    second = cache.begin(request(session_id, 1, fetch={("b", 1): 9, ("c", 0): 1}), BY_NAME)
    assert fetched(second) == [("a", 0, 5), ("b", 1, 9), ("c", 0, 1)]
    assert second.session_id() == session_id
    third = cache.begin(request(session_id, 2, forget=[("a", 0), ("never", 3)]), BY_NAME)
    assert fetched(third) == [("b", 1, 9), ("c", 0, 1)]


def test_what_is_added_and_forgotten_in_one_request_is_forgotten(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    context = cache.begin(request(session_id, 1, fetch={("a", 0): 1}, forget=[("a", 0)]), BY_NAME)
    assert fetched(context) == [("t", 0, 0)]


def test_a_session_that_ends_as_its_last_partition_is_forgotten_answers_once_more(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    last = cache.begin(request(session_id, 1, fetch={("a", 0): 2}, forget=[("a", 0), ("t", 0)]), BY_NAME)
    assert fetched(last) == [("a", 0, 2)]
    assert last.session_id() == NO_SESSION


def test_any_negative_epoch_is_none(cache: FetchSessionCache) -> None:
    sent = request(fetch={("t", 0): 0})
    sent.topics[0].partitions[0].current_leader_epoch = -2
    sent.topics[0].partitions[0].last_fetched_epoch = -7
    (wanted,) = cache.begin(sent, BY_NAME).partitions.values()
    assert (wanted.current_leader_epoch, wanted.last_fetched_epoch) == (-1, -1)


def test_a_session_without_partitions_is_closed(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    assert cache.begin(request(session_id, 1, forget=[("t", 0)]), BY_NAME).session_id() == NO_SESSION
    assert refused(cache, session_id=session_id, epoch=2) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.parametrize("epoch", [0, -1])
def test_a_full_request_closes_the_session_it_names(cache: FetchSessionCache, epoch: int) -> None:
    session_id = opened(cache)
    context = cache.begin(request(session_id, epoch, fetch={("t", 0): 0}), BY_NAME)
    assert (context.session_id() == NO_SESSION) == (epoch == -1)
    assert refused(cache, session_id=session_id, epoch=1) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_epochs_out_of_order_are_refused_and_change_nothing(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    for epoch in (2, 9, -2):
        assert refused(cache, session_id=session_id, epoch=epoch) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    cache.begin(request(session_id, 1), BY_NAME)
    assert refused(cache, session_id=session_id, epoch=1) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_the_epoch_after_the_largest_is_one(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    session = cache.begin(request(session_id, 1), BY_NAME).session
    assert session is not None
    session.epoch = 2**31 - 1
    cache.begin(request(session_id, 2**31 - 1), BY_NAME)
    assert session.epoch == 1


def test_a_parked_request_learns_that_it_was_overtaken(cache: FetchSessionCache) -> None:
    session_id = opened(cache)
    parked = cache.begin(request(session_id, 1), BY_NAME)
    assert not parked.overtaken
    later = cache.begin(request(session_id, 2), BY_NAME)
    assert parked.overtaken
    assert not later.overtaken


@pytest.mark.parametrize(("first", "second"), [(BY_NAME, BY_ID), (BY_ID, BY_NAME)])
def test_a_session_is_by_name_or_by_id(cache: FetchSessionCache, first: int, second: int) -> None:
    session_id = opened(cache, version=first)
    assert refused(cache, second, session_id=session_id, epoch=1) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    cache.begin(request(session_id, 1), first)


def test_a_partition_that_was_answered_goes_to_the_back(cache: FetchSessionCache) -> None:
    session_id = opened(cache, partitions=3)
    context = cache.begin(request(session_id, 1), BY_NAME)
    first, second, third = list(context.partitions.values())
    context.rotate(second)
    assert list(context.partitions.values()) == [first, third, second]
    assert list(cache.begin(request(session_id, 2), BY_NAME).partitions.values()) == [first, third, second]


def test_a_full_cache_makes_no_session_while_all_are_young(cache: FetchSessionCache) -> None:
    ids = [opened(cache) for _ in range(3)]
    assert len(set(ids)) == 3
    assert opened(cache, partitions=9) == NO_SESSION


def test_a_stale_session_makes_room_for_any_other(cache: FetchSessionCache, clock: ManualClock) -> None:
    stale, used, *_ = [opened(cache, partitions=5) for _ in range(3)]
    clock.advance(EVICTION_MS)
    cache.begin(request(used, 1), BY_NAME)
    clock.advance(1)
    assert opened(cache) != NO_SESSION
    assert refused(cache, session_id=stale, epoch=1) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    cache.begin(request(used, 2), BY_NAME)


def test_an_old_session_makes_room_for_a_larger_one_only(cache: FetchSessionCache, clock: ManualClock) -> None:
    small, middle, large = (opened(cache, partitions) for partitions in (2, 4, 6))
    clock.advance(EVICTION_MS // 2 + 1)
    for session_id in (small, middle, large):
        cache.begin(request(session_id, 1), BY_NAME)
    clock.advance(EVICTION_MS // 2)
    for session_id in (small, middle, large):
        cache.begin(request(session_id, 2), BY_NAME)
    assert opened(cache, partitions=2) == NO_SESSION
    # The smallest goes, unless it has grown meanwhile.
    cache.begin(request(small, 3, fetch={("t", i): 0 for i in range(7)}), BY_NAME)
    assert opened(cache, partitions=5) != NO_SESSION
    assert refused(cache, session_id=middle, epoch=3) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    cache.begin(request(large, 3), BY_NAME)


def test_no_slots_no_sessions(clock: ManualClock) -> None:
    assert opened(FetchSessionCache(0, clock)) == NO_SESSION


PARTITIONS = st.tuples(st.sampled_from("abc"), st.integers(0, 2))


class FetchSessionModel(RuleBasedStateMachine):
    """Plays clients that behave well and badly, and compares with the simplest thing that could be right."""

    SLOTS = 3

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.cache = FetchSessionCache(self.SLOTS, self.clock)
        self.sessions: dict[int, tuple[bool, int, dict[tuple[str, int], int]]] = {}
        """Session id to by_id, expected epoch and partitions with offsets, in order."""
        self.gone: list[int] = []

    @rule(fetch=st.dictionaries(PARTITIONS, st.integers(0, 9), max_size=4), by_id=st.booleans(), data=st.data())
    def full_request(self, fetch: dict[tuple[str, int], int], by_id: bool, data: st.DataObject) -> None:
        named = data.draw(st.sampled_from([0, *self.sessions, *self.gone]))
        context = self.cache.begin(request(named, 0, fetch), BY_ID if by_id else BY_NAME)
        self._close(named)
        assert {(w.topic, w.index): w.fetch_offset for w in context.partitions.values()} == fetch
        room = len(self.sessions) < self.SLOTS
        session_id = context.session_id()
        assert (session_id != NO_SESSION) == room
        assert session_id not in self.sessions
        if session_id != NO_SESSION:
            self.sessions[session_id] = (by_id, 1, dict(fetch))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def closing_request(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(list(self.sessions)))
        assert self.cache.begin(request(session_id, -1), BY_NAME).session_id() == NO_SESSION
        self._close(session_id)

    @precondition(lambda self: self.sessions)
    @rule(
        fetch=st.dictionaries(PARTITIONS, st.integers(0, 9), max_size=3),
        forget=st.lists(PARTITIONS, max_size=3),
        served=st.lists(PARTITIONS, max_size=2),
        data=st.data(),
    )
    def incremental_request(
        self,
        fetch: dict[tuple[str, int], int],
        forget: list[tuple[str, int]],
        served: list[tuple[str, int]],
        data: st.DataObject,
    ) -> None:
        session_id = data.draw(st.sampled_from(list(self.sessions)))
        by_id, epoch, partitions = self.sessions[session_id]
        context = self.cache.begin(request(session_id, epoch, fetch, forget), BY_ID if by_id else BY_NAME)
        partitions.update(fetch)
        for key in forget:
            partitions.pop(key, None)
        if not partitions:
            assert context.session_id() == NO_SESSION
            self._close(session_id)
            return
        assert fetched(context) == [(name, index, offset) for (name, index), offset in partitions.items()]
        assert context.session_id() == session_id
        for wanted in list(context.partitions.values()):
            key = (wanted.topic, wanted.index)
            if key in served:
                context.rotate(wanted)
                partitions[key] = partitions.pop(key)
        self.sessions[session_id] = (by_id, epoch + 1, partitions)

    @rule(data=st.data(), epoch=st.integers(-3, 9).filter(lambda epoch: epoch not in (0, -1)), by_id=st.booleans())
    def wrong_request(self, data: st.DataObject, epoch: int, by_id: bool) -> None:
        session_id = data.draw(st.sampled_from([0, *self.sessions, *self.gone]))
        if session_id not in self.sessions:
            expected = ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        elif self.sessions[session_id][1] != epoch:
            expected = ErrorCode.INVALID_FETCH_SESSION_EPOCH
        elif self.sessions[session_id][0] != by_id:
            expected = ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
        else:
            return
        assert refused(self.cache, BY_ID if by_id else BY_NAME, session_id=session_id, epoch=epoch) == expected

    @invariant()
    def as_many_sessions(self) -> None:
        assert len(self.cache) == len(self.sessions)

    def _close(self, session_id: int) -> None:
        if self.sessions.pop(session_id, None) is not None:
            self.gone.append(session_id)


TestFetchSessionModel = FetchSessionModel.TestCase
TestFetchSessionModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
