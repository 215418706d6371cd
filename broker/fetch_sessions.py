"""Fetch sessions (KIP-227): what a consumer fetches is kept between its requests, and only news is answered.

A consumer of a thousand partitions sends them once, with session epoch 0, and then only what it wants changed; the
broker answers only those partitions of which there is something new to tell. The session's epoch counts requests, so
that one that was lost or sent twice is noticed:

    session_id  session_epoch
    0           0              a full request that asks for a session
    any         -1             a full request without a session; closes the one it names
    S           E > 0          an incremental request; E must be what the session expects

The broker keeps at most `max.incremental.fetch.session.cache.slots` sessions. A client that gets none goes on with
full requests. Sessions are kept by topic id from Fetch v13 on and by topic name before (KIP-516).
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import OrderedDict
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError

from .clock import Clock
from .partition import NO_EPOCH, Partition

if TYPE_CHECKING:
    from protocol.messages.fetch import FetchPartition, FetchRequest

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
TOPIC_IDS_SINCE_VERSION = 13
EVICTION_MS = 120_000
"""A session unused for this long may be evicted by any other, one older than this by a larger one (as in Kafka)."""

_EPOCH_MAX = 2**31 - 1
_SESSION_ID_MAX = 2**31 - 1

Key = tuple[str | bytes, int]
"""A topic's name, or its id from v13 on, and the partition's index."""


class FetchedPartition:
    """What a client fetches of one partition, and what it was told of it last."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "index",
        "key",
        "last_fetched_epoch",
        "max_bytes",
        "partition",
        "told_high_watermark",
        "told_log_start_offset",
        "topic",
        "topic_id",
    )

    def __init__(self, key: Key, topic: str, topic_id: bytes, wanted: FetchPartition) -> None:
        self.key = key
        self.topic = topic
        """The name; empty in a request by id until the id is found."""
        self.topic_id = topic_id
        self.index = wanted.partition
        self.partition: Partition | None = None
        """What the handler found under the key; to be looked up again once it is no longer hosted."""
        self.told_high_watermark = -1
        self.told_log_start_offset = -1
        self.update(wanted)

    def update(self, wanted: FetchPartition) -> None:
        """Take over what the client wants now."""
        self.fetch_offset = wanted.fetch_offset
        self.max_bytes = wanted.partition_max_bytes
        # Any negative number stands for none.
        self.current_leader_epoch = max(wanted.current_leader_epoch, NO_EPOCH)
        self.last_fetched_epoch = max(wanted.last_fetched_epoch, NO_EPOCH)


class FetchSession:
    """The partitions of one client in the order in which they are read; the front is the longest unserved."""

    __slots__ = ("cached_size", "created_ms", "epoch", "id", "last_used_ms", "partitions", "uses_topic_ids")

    def __init__(
        self, session_id: int, partitions: dict[Key, FetchedPartition], uses_topic_ids: bool, now_ms: float
    ) -> None:
        self.id = session_id
        self.partitions = partitions
        self.uses_topic_ids = uses_topic_ids
        self.epoch = INITIAL_EPOCH + 1
        """The epoch that the next request must carry."""
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.cached_size = -1
        """The size under which the cache lists it as evictable; -1 while it is too young for that."""


class FetchContext:
    """One request's view of its session; full requests have none yet, or never."""

    __slots__ = ("_cache", "_epoch", "_uses_topic_ids", "partitions", "session", "wants_session")

    def __init__(
        self,
        cache: FetchSessionCache,
        partitions: dict[Key, FetchedPartition],
        session: FetchSession | None,
        *,
        wants_session: bool = False,
        uses_topic_ids: bool = False,
    ) -> None:
        self.partitions = partitions
        self.session = session
        """The session of an incremental request: unchanged partitions are left out of its response."""
        self.wants_session = wants_session
        self._cache = cache
        self._epoch = 0 if session is None else session.epoch
        self._uses_topic_ids = uses_topic_ids

    @property
    def overtaken(self) -> bool:
        """Whether a later request of the same session came while this one was parked."""
        return self.session is not None and self.session.epoch != self._epoch

    def rotate(self, answered: FetchedPartition) -> None:
        """Put a partition that was answered with records behind the others, so that each gets its turn."""
        if self.session is not None:
            self.partitions[answered.key] = self.partitions.pop(answered.key)

    def session_id(self) -> int:
        """Return the id to answer with; a full request's session is made now, if there is room for it."""
        if self.session is not None:
            return self.session.id
        if self.wants_session:
            return self._cache.create(self.partitions, self._uses_topic_ids)
        return NO_SESSION


class FetchSessionCache:
    """The sessions of one broker, and which of them may go when there are too many."""

    def __init__(self, slots: int, clock: Clock) -> None:
        self._slots = slots
        self._clock = clock
        self._sessions: OrderedDict[int, FetchSession] = OrderedDict()
        """By id, the one that was not used for longest first."""
        self._evictable: list[tuple[int, int]] = []
        """(size, id) of the sessions older than EVICTION_MS, smallest first."""
        self._random = random.Random()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, request: FetchRequest, version: int) -> FetchContext:
        """Find or leave the request's session and return what is to be fetched.

        Raises KafkaError FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR.
        """
        by_id = version >= TOPIC_IDS_SINCE_VERSION
        epoch = request.session_epoch
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._remove(request.session_id)
            partitions: dict[Key, FetchedPartition] = {}
            _take_over(partitions, request, by_id)
            return FetchContext(self, partitions, None, wants_session=epoch == INITIAL_EPOCH, uses_topic_ids=by_id)
        session = self._sessions.get(request.session_id)
        if session is None:
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != by_id:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        if request.topics:
            _take_over(session.partitions, request, by_id)
        for topic in request.forgotten_topics_data:
            name_or_id = topic.topic_id if by_id else topic.topic
            for index in topic.partitions:
                session.partitions.pop((name_or_id, index), None)
        if not session.partitions:
            self._remove(session.id)
            # What is asked for and forgotten in the same breath is answered once more, as in Kafka.
            partitions = {}
            _take_over(partitions, request, by_id)
            return FetchContext(self, partitions, None)
        self._touch(session)
        session.epoch = 1 if epoch == _EPOCH_MAX else epoch + 1
        return FetchContext(self, session.partitions, session)

    def create(self, partitions: dict[Key, FetchedPartition], uses_topic_ids: bool) -> int:
        """Keep a new session and return its id; NO_SESSION if it is not worth evicting another one."""
        now_ms = self._clock.monotonic_ms()
        if len(self._sessions) >= self._slots and not self._evict(len(partitions), now_ms):
            return NO_SESSION
        session_id = self._random.randint(1, _SESSION_ID_MAX)
        while session_id in self._sessions:
            session_id = self._random.randint(1, _SESSION_ID_MAX)
        self._sessions[session_id] = FetchSession(session_id, partitions, uses_topic_ids, now_ms)
        return session_id

    def _touch(self, session: FetchSession) -> None:
        now_ms = self._clock.monotonic_ms()
        session.last_used_ms = now_ms
        self._sessions.move_to_end(session.id)
        size = len(session.partitions)
        if session.cached_size != size and now_ms - session.created_ms > EVICTION_MS:
            self._unlist(session)
            session.cached_size = size
            insort(self._evictable, (size, session.id))

    def _evict(self, newcomer_size: int, now_ms: float) -> bool:
        """Make room for a session of that many partitions: a stale one goes, else an old one that is smaller."""
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.last_used_ms > EVICTION_MS:
            self._remove(oldest.id)
            return True
        if self._evictable and self._evictable[0][0] < newcomer_size:
            self._remove(self._evictable[0][1])
            return True
        return False

    def _remove(self, session_id: int) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._unlist(session)

    def _unlist(self, session: FetchSession) -> None:
        if session.cached_size >= 0:
            del self._evictable[bisect_left(self._evictable, (session.cached_size, session.id))]
            session.cached_size = -1


def _take_over(partitions: dict[Key, FetchedPartition], request: FetchRequest, by_id: bool) -> None:
    """Add the request's partitions; one that is there, or comes twice, keeps its place and gets the last wishes."""
    for topic in request.topics:
        name_or_id = topic.topic_id if by_id else topic.topic
        for wanted in topic.partitions:
            key = (name_or_id, wanted.partition)
            known = partitions.get(key)
            if known is None:
                partitions[key] = FetchedPartition(key, topic.topic, topic.topic_id, wanted)
            else:
                known.update(wanted)
