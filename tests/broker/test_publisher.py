"""The publisher: nobody sees an image before everybody is prepared for it, and waiters are always answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.metadata.image import ImageDelta, MetadataImage
from broker.metadata.keys import topic_key
from broker.metadata.publisher import ImagePublisher
from broker.metadata.records import TopicRecord, encode_topic
from broker.metadata.registration import check_owner, register_broker
from broker.metadata.sqlite import EVENTS_KEPT, SqliteStore
from broker.metadata.store import Compare, Delete, Put, StoreError
from protocol.uuid import uuid_from_text


def put_topic(name: str, number: int) -> Put:
    return Put(topic_key(name), encode_topic(TopicRecord(number.to_bytes(16, "big"), {}, ((0,),))))


class Subscriber:
    """Remembers what it was told, and takes as long as the test wants."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, list[str], list[str]]] = []
        self.asked = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        self.asked.set()
        await self.ready.wait()
        created, deleted, _ = delta
        self.seen.append((old.revision, new.revision, [t.name for t in created], [t.name for t in deleted]))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
    yield store
    await store.close()


@pytest.fixture
async def publisher(store: SqliteStore) -> AsyncIterator[ImagePublisher]:
    publisher = ImagePublisher(store)
    yield publisher
    await publisher.close()


async def test_an_image_is_published_after_its_subscribers_are_prepared(
    store: SqliteStore, publisher: ImagePublisher
) -> None:
    await publisher.load()
    first, second = Subscriber(), Subscriber()
    publisher.subscribe(first)
    publisher.subscribe(second)
    publisher.start()
    first.ready.clear()
    revision = (await store.txn([], [put_topic("a", 1)])).revision
    waiter = asyncio.create_task(publisher.wait_for(revision))
    await first.asked.wait()
    assert not waiter.done() and not second.asked.is_set() and "a" not in publisher.current.topics
    first.ready.set()
    assert "a" in (await waiter).topics
    assert first.seen == second.seen == [(0, 1, ["a"], [])]


async def test_every_revision_is_published_in_order(store: SqliteStore, publisher: ImagePublisher) -> None:
    await store.txn([], [put_topic("old", 1)])
    await publisher.load()
    subscriber = Subscriber()
    publisher.subscribe(subscriber)
    publisher.start()
    await store.txn([], [put_topic("a", 2), put_topic("b", 3)])
    await store.txn([], [Delete(topic_key("a"))])
    await store.txn([], [put_topic("a", 4)])
    image = await publisher.wait_for(4)
    assert subscriber.seen == [(1, 2, ["a", "b"], []), (2, 3, [], ["a"]), (3, 4, ["a"], [])]
    assert set(image.topics) == {"old", "a", "b"}
    assert await publisher.wait_for(2) is image


async def test_who_subscribes_before_loading_prepares_everything(store: SqliteStore, publisher: ImagePublisher) -> None:
    await store.txn([], [put_topic("a", 1)])
    subscriber = Subscriber()
    publisher.subscribe(subscriber)
    image = await publisher.load()
    assert image is publisher.current
    assert subscriber.seen == [(0, 1, ["a"], [])]


async def test_a_subscriber_that_fails_is_logged_and_holds_nobody_up(
    store: SqliteStore, publisher: ImagePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
            raise RuntimeError("no idea")

    await publisher.load()
    publisher.subscribe(Failing())
    after = Subscriber()
    publisher.subscribe(after)
    publisher.start()
    await store.txn([], [put_topic("a", 1)])
    with caplog.at_level(logging.ERROR):
        assert "a" in (await publisher.wait_for(1)).topics
    assert after.seen and "no idea" in caplog.text


async def test_a_publisher_that_fell_behind_reads_everything_again(
    store: SqliteStore, publisher: ImagePublisher
) -> None:
    await store.txn([], [put_topic("gone", 1), put_topic("made again", 2), put_topic("kept", 3)])
    await publisher.load()
    kept = publisher.current.topics["kept"].topic_id
    subscriber = Subscriber()
    publisher.subscribe(subscriber)
    await store.txn([], [Delete(topic_key("gone")), put_topic("made again", 4), put_topic("new", 5)])
    for _ in range(EVENTS_KEPT):
        last = await store.txn([], [Put("producer-ids/next", b"1")])
    publisher.start()
    image = await publisher.wait_for(last.revision)
    assert set(image.topics) == {"made again", "kept", "new"}
    assert image.topics["kept"].topic_id == kept
    [(old, new, created, deleted)] = subscriber.seen
    assert (old, new) == (1, last.revision)
    assert (sorted(created), sorted(deleted)) == (["made again", "new"], ["gone", "made again"])


async def test_waiters_are_told_when_the_publisher_ends(store: SqliteStore, publisher: ImagePublisher) -> None:
    await publisher.load()
    publisher.start()
    waiter = asyncio.create_task(publisher.wait_for(1))
    await asyncio.sleep(0)
    await publisher.close()
    with pytest.raises(StoreError, match="shutting down"):
        await waiter
    with pytest.raises(StoreError, match="shutting down"):
        await publisher.wait_for(1)
    assert await publisher.wait_for(0) is publisher.current


async def test_waiters_are_told_when_the_store_ends(store: SqliteStore, publisher: ImagePublisher) -> None:
    await publisher.load()
    publisher.start()
    waiter = asyncio.create_task(publisher.wait_for(1))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await waiter


async def test_what_cannot_be_understood_ends_the_publisher_with_a_log_line(
    store: SqliteStore, publisher: ImagePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.load()
    publisher.start()
    await store.txn([], [Put("topics/a", b"no json")])
    with pytest.raises(StoreError, match="cannot be brought up to date"), caplog.at_level(logging.ERROR):
        await publisher.wait_for(1)
    assert "cannot be followed any longer" in caplog.text


# --- registration --------------------------------------------------------------------------------------------------


async def test_a_broker_counts_its_starts_and_the_cluster_id_stays(
    store: SqliteStore, publisher: ImagePublisher
) -> None:
    cluster_ids = {await register_broker(store, 0, None) for _ in range(3)} | {await register_broker(store, 1, "r1")}
    image = await publisher.load()
    assert cluster_ids == {image.cluster_id}
    assert len(uuid_from_text(image.cluster_id)) == 16
    assert image.brokers == {0: (0, 2, None), 1: (1, 0, "r1")}


async def test_data_is_served_by_the_broker_that_it_is_of(store: SqliteStore) -> None:
    await check_owner(store, 3)
    await register_broker(store, 0, None)
    await check_owner(store, 0)
    with pytest.raises(StoreError, match=r"is that of node\.id=0, not 3: give that id, or another data directory"):
        await check_owner(store, 3)


async def test_two_starts_at_the_same_time_get_different_counts(store: SqliteStore, publisher: ImagePublisher) -> None:
    ids = await asyncio.gather(*(register_broker(store, 0, None) for _ in range(5)))
    image = await publisher.load()
    assert image.brokers[0].start_count == 4
    assert set(ids) == {image.cluster_id}
    assert await store.txn([Compare("brokers/0", 5)], []) == (True, 5)
