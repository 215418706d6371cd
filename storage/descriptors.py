"""Files whose descriptors come and go: thousands of segments share the few hundred descriptors a process may have.

A closed descriptor opens again at the next use. Which one to close is decided by second chance: a use only sets a
flag, which is all the hot path pays, and a sweep closes the first file it finds without one.
"""

from __future__ import annotations

from collections import OrderedDict

from .cold_read import ColdRead
from .filesystem import Filesystem
from .write_back import WriteBack

DESCRIPTORS_MAX = 512
"""Open descriptors of one cache unless its owner says otherwise."""

# A fetch may pin thousands of files, and each of them that is opened would look at all that are pinned before.
_PINNED_LOOKED_AT_MAX = 64


class CachedFile:
    """A file by path, opened at need.

    `pins` counts the readers that still need it: a pinned file stays open and readable also after it is removed.
    """

    __slots__ = ("cache", "fd", "path", "pins", "removed", "used")

    def __init__(self, cache: DescriptorCache, path: str) -> None:
        self.cache = cache
        self.path = path
        self.fd = -1
        """The open descriptor, -1 while there is none. The hot path reads it here and sets `used`."""
        self.used = False
        self.pins = 0
        self.removed = False

    @property
    def filesystem(self) -> Filesystem:
        return self.cache.filesystem

    def descriptor(self) -> int:
        """The descriptor, opened where it is closed; good until the next call on any file of the cache."""
        self.used = True
        fd = self.fd
        return fd if fd >= 0 else self.cache.open(self)

    def pread(self, count: int, position: int) -> bytes:
        """Reads up to `count` bytes; fewer only at the end of the file.

        Raises OSError, and ColdRead where only what is in memory is asked for (`DescriptorCache.cached_only`).
        """
        filesystem = self.filesystem
        if not self.cache.cached_only:
            return filesystem.pread(self.descriptor(), count, position)
        data = filesystem.pread_cached(self.descriptor(), count, position)
        if data is None:
            raise ColdRead(self, position, count)
        return data

    def create(self) -> int:
        """Makes the file, empty whatever was there before, and returns its descriptor."""
        assert self.fd < 0, self.path
        return self.cache.open(self, create=True)

    def at(self, path: str) -> CachedFile:
        """Another file of the same cache."""
        return CachedFile(self.cache, path)

    def pin(self) -> None:
        self.pins += 1

    def unpin(self) -> None:
        self.pins -= 1
        assert self.pins >= 0
        if self.removed and not self.pins:
            self.close()

    def close(self) -> None:
        """Closes the descriptor; a later use opens it again. A pinned file stays open."""
        if not self.pins:
            self.cache.close(self)

    def detach(self) -> None:
        """Gets ready for the file's deletion: open while something has it pinned, closed from then on."""
        if self.pins:
            self.descriptor()
        self.removed = True
        self.close()


class DescriptorCache:
    """The open descriptors of many files, at most `descriptors_max` but for pinned ones."""

    __slots__ = ("_open", "cached_only", "descriptors_max", "filesystem", "write_back")

    def __init__(self, filesystem: Filesystem, descriptors_max: int = DESCRIPTORS_MAX) -> None:
        self.filesystem = filesystem
        self.write_back = WriteBack(filesystem)
        self.descriptors_max = descriptors_max
        self.cached_only = False
        """Whether reads raise ColdRead instead of waiting for the disk; set for no longer than one call of the loop."""
        self._open: OrderedDict[CachedFile, None] = OrderedDict()

    def __len__(self) -> int:
        """How many descriptors are open."""
        return len(self._open)

    def open(self, file: CachedFile, *, create: bool = False) -> int:
        """Opens a file, closing others where there are too many."""
        if file.fd >= 0:
            return file.fd
        if len(self._open) >= self.descriptors_max:
            self._make_room()
        file.fd = self.filesystem.create(file.path, empty=True) if create else self.filesystem.open(file.path)
        file.used = True
        self._open[file] = None
        return file.fd

    def close(self, file: CachedFile) -> None:
        """Closes a file's descriptor; no effect where it is closed."""
        fd = file.fd
        if fd >= 0:
            file.fd = -1
            del self._open[file]
            self.filesystem.close(fd)

    def close_all(self) -> None:
        """Closes every descriptor, pinned or not: the end of the broker."""
        self.write_back.close()
        for file in list(self._open):
            self.close(file)

    def _make_room(self) -> None:
        # Twice around is enough: the first round takes the flags away. Where all are pinned, one more is opened; the
        # next sweep goes on where this one ends.
        pinned = 0
        for _ in range(2 * len(self._open)):
            file, _ = self._open.popitem(last=False)
            self._open[file] = None
            if file.pins:
                pinned += 1
                if pinned == _PINNED_LOOKED_AT_MAX:
                    return
                continue
            if file.used:
                file.used = False
                continue
            self.close(file)
            if len(self._open) < self.descriptors_max:
                return
