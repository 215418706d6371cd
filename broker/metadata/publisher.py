"""The publisher follows the store and swaps the current image, once everybody is prepared for what it says.

A topic must be usable from the moment Metadata shows it (librdkafka 4904), so an image is published only after its
subscribers have done their part, such as making the logs of new partitions. Whoever changed the store waits for the
image of that revision before answering its client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from .image import ImageDelta, MetadataImage, difference, load_image
from .store import CompactedError, MetadataStore, StoreError

logger = logging.getLogger(__name__)


class ImageSubscriber(Protocol):
    """Something that must be in order before an image is seen."""

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Make what the new image promises; what cannot be made is the subscriber's own business to report."""


class ImagePublisher:
    """Holds the current image; `load` reads the first one, `start` follows the store from there."""

    def __init__(self, store: MetadataStore) -> None:
        self.current = MetadataImage()
        self._store = store
        self._subscribers: list[ImageSubscriber] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._ended: str | None = None

    def subscribe(self, subscriber: ImageSubscriber) -> None:
        """Let a subscriber prepare every image from the next on; they are asked in the order they subscribed."""
        self._subscribers.append(subscriber)

    async def load(self) -> MetadataImage:
        """Read the whole store and publish it; subscribers there are by now see all topics as created."""
        items, revision = await self._store.range("")
        image = load_image(items, revision)
        names = [*self.current.topics, *(name for name in image.topics if name not in self.current.topics)]
        await self._publish(image, difference(self.current, image, names))
        return image

    def start(self) -> None:
        """Follow the store from the current image on."""
        self._task = asyncio.get_running_loop().create_task(self._follow(), name="metadata-publisher")

    async def wait_for(self, revision: int) -> MetadataImage:
        """The current image, once it is of that revision or a later one; raises StoreError if it never will be."""
        if self.current.revision < revision:
            if self._ended is not None:
                raise StoreError(self._ended)
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((revision, waiter))
            await waiter
        return self.current

    async def close(self) -> None:
        """Follow no more; who still waits is told so."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._end("The broker is shutting down.")

    async def _follow(self) -> None:
        try:
            while not self._ended:
                await self._follow_events()
        except Exception:
            logger.exception("[metadata revision=%d] The store cannot be followed any longer", self.current.revision)
            self._end("The broker's metadata cannot be brought up to date.")

    async def _follow_events(self) -> None:
        try:
            async for event in self._store.watch(self.current.revision + 1):
                await self._publish(*self.current.apply(event))
        except CompactedError:
            await self.load()
        else:
            self._end("The metadata store is closed.")

    async def _publish(self, image: MetadataImage, delta: ImageDelta) -> None:
        for subscriber in self._subscribers:
            try:
                await subscriber.prepare(self.current, image, delta)
            except Exception:
                # A subscriber answers for its own part; holding the image back would stop everything else, too.
                logger.exception("[metadata revision=%d] A subscriber is not prepared", image.revision)
        self.current = image
        due = [waiter for revision, waiter in self._waiters if revision <= image.revision]
        self._waiters = [entry for entry in self._waiters if entry[0] > image.revision]
        for waiter in due:
            if not waiter.done():
                waiter.set_result(None)

    def _end(self, reason: str) -> None:
        self._ended = reason
        waiters, self._waiters = self._waiters, []
        for _, waiter in waiters:
            if not waiter.done():
                waiter.set_exception(StoreError(reason))
