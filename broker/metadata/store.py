"""The metadata store: a small key-value interface with revisions, and what its engines promise.

Everything a cluster must agree on lives behind it (see broker.metadata.keys for the layout). The interface is the
part of etcd's that Ottla needs, so that one engine may be a local SQLite file and another one etcd:

- The store has one revision, a count that rises by one at each transaction that changed something. A key carries the
  revision of its last change, and a key that does not exist has the revision 0.
- A write is a transaction: it happens as a whole if all its comparisons hold, else not at all. Every comparison is
  of a key's revision, so that a retried ambiguous write is refused instead of being applied twice.
- A transaction may hold no more than `operations_max` comparisons and as many changes (etcd allows 128). What is
  one unit must therefore be one key (a topic with all its partitions), or go away with one `DeletePrefix`.
- A watch delivers every transaction's changes as one event, in the order of revisions, none left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store cannot be opened, read or written; its text is one sentence for people."""


class CompactedError(StoreError):
    """A watch asked for revisions that the store has forgotten; read everything again with `range` and watch on."""


class KeyValue(NamedTuple):
    """A key, its value and the revision of its last change."""

    key: str
    value: bytes
    mod_revision: int


class RangeResult(NamedTuple):
    """What a prefix held, sorted by key, as of a revision of the whole store."""

    items: list[KeyValue]
    revision: int


class Compare(NamedTuple):
    """Holds if the key's last change was at that revision; 0 means that the key does not exist."""

    key: str
    mod_revision: int


class Put(NamedTuple):
    """Write a key."""

    key: str
    value: bytes


class Delete(NamedTuple):
    """Remove a key; nothing happens if there is none."""

    key: str


class DeletePrefix(NamedTuple):
    """Remove every key that begins with a prefix, as one operation."""

    prefix: str


Change = Put | Delete | DeletePrefix


class TxnResult(NamedTuple):
    """Whether the comparisons held, and the revision of the store afterwards."""

    succeeded: bool
    revision: int


class WatchEvent(NamedTuple):
    """All changes of one revision: the keys written, and those removed."""

    revision: int
    puts: Sequence[KeyValue]
    deletes: Sequence[str]


class MetadataStore(Protocol):
    """What the broker asks of an engine; every call may raise StoreError."""

    @property
    def operations_max(self) -> int:
        """How many comparisons, and how many changes, one transaction may hold."""

    async def get(self, key: str) -> KeyValue | None:
        """One key, or None."""

    async def range(self, prefix: str) -> RangeResult:
        """All keys that begin with a prefix; the empty prefix is everything."""

    async def txn(self, compares: Sequence[Compare], changes: Sequence[Change]) -> TxnResult:
        """Apply all changes if all comparisons hold; when it returns, they survive power loss."""

    def watch(self, from_revision: int) -> AsyncIterator[WatchEvent]:
        """Every event from that revision on, without end; raises CompactedError if some are no longer there."""

    async def close(self) -> None:
        """Finish what was asked for, end the watches, and release everything."""
