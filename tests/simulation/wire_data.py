"""What simulated members put into the bytes that are opaque to a coordinator, or nearly so."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Subscription(NamedTuple):
    """A consumer's metadata: its topics, and the partitions that it has (`orders:3`)."""

    topics: tuple[str, ...]
    owned: tuple[str, ...]


class Assignment(NamedTuple):
    """What a leader gives a member, with the name of both so that a mix-up shows."""

    generation: int
    identity: str
    partitions: tuple[str, ...]


def encode_subscription(topics: Iterable[str], owned: Iterable[str]) -> bytes:
    """Kafka's ConsumerProtocolSubscription v0; what is owned is in the user data."""
    names = [topic.encode() for topic in topics]
    user_data = ",".join(owned).encode()
    listed = b"".join(struct.pack(">h", len(name)) + name for name in names)
    return struct.pack(">hi", 0, len(names)) + listed + struct.pack(">i", len(user_data)) + user_data


def decode_subscription(data: bytes) -> Subscription | None:
    """None if it is not of `encode_subscription`."""
    try:
        _, count = struct.unpack_from(">hi", data)
        position = 6
        topics = []
        for _ in range(count):
            (size,) = struct.unpack_from(">h", data, position)
            topics.append(data[position + 2 : position + 2 + size].decode())
            position += 2 + size
        owned = data[position + 4 :].decode()
    except (struct.error, UnicodeDecodeError):
        return None
    return Subscription(tuple(topics), tuple(owned.split(",")) if owned else ())


def encode_assignment(assignment: Assignment) -> bytes:
    return "|".join((str(assignment.generation), assignment.identity, ",".join(assignment.partitions))).encode()


def decode_assignment(data: bytes) -> Assignment:
    generation, identity, partitions = data.decode().split("|")
    return Assignment(int(generation), identity, tuple(partitions.split(",")) if partitions else ())


def assign_eagerly(partitions: Sequence[str], members: Sequence[str]) -> dict[str, list[str]]:
    """In turn, whoever had what before."""
    return {member: list(partitions[number :: len(members)]) for number, member in enumerate(sorted(members))}


def assign_cooperatively(partitions: Sequence[str], owned: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Members keep what they have up to a fair share; what another still has to give up is nobody's for now."""
    share = -(-len(partitions) // len(owned))
    claimed: set[str] = set()
    assigned: dict[str, list[str]] = {}
    for member in sorted(owned):
        kept = [each for each in owned[member] if each in partitions and each not in claimed]
        claimed.update(kept)
        assigned[member] = kept[:share]
    free = [each for each in partitions if each not in claimed]
    for partition in free:
        poorest = min(assigned, key=lambda member: (len(assigned[member]), member))
        assigned[poorest].append(partition)
    return assigned
