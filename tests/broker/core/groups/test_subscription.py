"""What a coordinator reads of the members' metadata, which may be anything."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.consumer_protocol_subscription.v3.data import ConsumerProtocolSubscription, TopicPartition
from kio.schema.types import TopicName
from kio.serial import entity_writer

from broker.core.groups import subscription
from broker.core.groups.subscription import topics_of
from tests.support.group_members import consumer_metadata


def test_topics_of_all_members() -> None:
    members = [consumer_metadata("a", "b"), consumer_metadata("b", "c"), consumer_metadata()]
    assert topics_of(members) == {"a", "b", "c"}
    assert topics_of([]) == frozenset()


def test_later_versions_begin_like_the_first() -> None:
    data = ConsumerProtocolSubscription(
        topics=(TopicName("orders"),),
        user_data=b"what the assignor adds",
        owned_partitions=(TopicPartition(topic=TopicName("other"), partitions=()),),
        generation_id=3,
        rack_id="rack",
    )
    buffer = io.BytesIO()
    entity_writer(ConsumerProtocolSubscription)(buffer, data)
    assert topics_of([b"\x00\x03" + buffer.getvalue()]) == {"orders"}


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        b"",
        b"\x00",
        b"\x00\x00",
        b"\x00\x00\x7f\xff\xff\xff",
        consumer_metadata("orders")[:-5],
        b"\x00\x00\xff\xff\xff\xff",
    ],
)
def test_one_that_cannot_be_read_leaves_all_unknown(metadata: bytes | None) -> None:
    assert topics_of([consumer_metadata("orders"), metadata]) is None


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_taken(metadata: list[bytes]) -> None:
    assert topics_of(metadata) is None or all(len(data) >= 10 for data in metadata)


def test_the_topics_that_many_members_have_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = [f"topic-{number}" for number in range(10_000)]
    members = [consumer_metadata(*topics)[:-4] + len(data).to_bytes(4) + data for data in (b"", b"x", b"yz")]
    decode = subscription.decoder(subscription.ConsumerProtocolSubscription, 0)
    decoded = []
    monkeypatch.setattr(
        subscription, "decoder", lambda cls, version: lambda view, at: decoded.append(at) or decode(view, at)
    )
    assert topics_of(members) == set(topics)
    assert len(decoded) == 1


def test_topics_that_begin_like_others_are_not_taken_for_them() -> None:
    assert topics_of([consumer_metadata(), consumer_metadata("a"), consumer_metadata("a", "b")]) == {"a", "b"}
