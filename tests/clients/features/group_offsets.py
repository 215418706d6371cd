"""What a group's consumers commit, and where they go on."""

from __future__ import annotations

import pytest

from tests.clients.client_process import ClientError
from tests.clients.live_group import LiveGroup
from tests.clients.setting import Setting, feature
from tests.support.groups_over_the_wire import committed, describe_group, fetch_offsets
from tests.support.records_over_the_wire import produce
from tests.support.wait import wait_until


@feature("auto commit, and go on there")
def auto_commit(setting: Setting) -> None:
    topic = _topic_of_ten(setting)
    with LiveGroup(setting, topics=[topic], auto_commit=True) as group:
        first = group.start()
        wait_until(lambda: committed(setting.wire, group.name, topic, 1) == [10], "the offset is committed")
        group.leave(first)
        produce(setting.wire, topic, b"new")
        group.start()
        (record,) = group.await_read(1)
        assert record["offset"] == 10


@feature("commit with metadata, and go on there")
def commit(setting: Setting) -> None:
    topic, group = _topic_of_ten(setting), setting.topic_name()
    read = setting.ask("read_and_commit", group=group, topic=topic, count=4, metadata="note")
    assert [record["offset"] for record in read] == [0, 1, 2, 3]
    # confluent-kafka ends it with a NUL.
    assert [(at, text.rstrip("\0")) for at, text in fetch_offsets(setting.wire, group, topic, [0]).values()] == [
        (4, "note")
    ]
    offset, metadata = setting.ask("committed", group=group, topic=topic)
    assert offset == 4
    assert metadata in ("note", None)  # not all tell
    read = setting.ask("read_and_commit", group=group, topic=topic, count=6)
    assert [record["offset"] for record in read] == [4, 5, 6, 7, 8, 9]
    assert committed(setting.wire, group, topic, 1) == [10]


@feature("commit without subscribing")
def commit_assigned(setting: Setting) -> None:
    topic, group = _topic_of_ten(setting), setting.topic_name()
    setting.ask("read_and_commit", group=group, topic=topic, count=4, subscribe=False)
    assert committed(setting.wire, group, topic, 1) == [4]
    described = describe_group(setting.wire, group)
    assert (described.state, described.protocol_type, described.members) == ("Empty", "", ())
    (record,) = setting.ask("read_and_commit", group=group, topic=topic, count=1, subscribe=False)
    assert record["offset"] == 4


@feature("commit past a live group is refused")
def commit_past_the_group(setting: Setting) -> None:
    topic = _topic_of_ten(setting)
    with LiveGroup(setting, topics=[topic]) as group:
        group.start()
        group.await_shared(topic, partitions=1)
        with pytest.raises(ClientError):
            setting.ask("read_and_commit", group=group.name, topic=topic, count=1, subscribe=False)
        assert committed(setting.wire, group.name, topic, 1) == [-1]


@feature("seek, position, committed")
def positions(setting: Setting) -> None:
    topic, group = _topic_of_ten(setting), setting.topic_name()
    # Read, next to read, committed.
    assert setting.ask("move_about", group=group, topic=topic) == [[0, 1, None], [5, 6, 6], [2, 3, 6]]
    assert committed(setting.wire, group, topic, 1) == [6]


@feature("an unknown group has committed nothing")
def unknown_group(setting: Setting) -> None:
    topic, group = _topic_of_ten(setting), setting.topic_name()
    assert setting.ask("committed", group=group, topic=topic) is None


def _topic_of_ten(setting: Setting) -> str:
    topic = setting.make_topic()
    produce(setting.wire, topic, *[b"value"] * 10)
    return topic
