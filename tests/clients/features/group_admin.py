"""Groups, to admin clients."""

from __future__ import annotations

import pytest

from tests.clients.client_process import ClientError
from tests.clients.live_group import LiveGroup
from tests.clients.setting import Setting, feature
from tests.support.groups_over_the_wire import commit, committed, list_groups
from tests.support.records_over_the_wire import produce

NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69
GROUP_SUBSCRIBED_TO_TOPIC = 86


@feature("list groups")
def list_all(setting: Setting) -> None:
    topic, offline = setting.make_topic(), setting.topic_name()
    commit(setting.wire, offline, topic, {0: 1})
    with LiveGroup(setting, topics=[topic]) as group:
        group.start()
        group.await_shared(topic, partitions=1)
        listed = setting.ask("list_groups")
    assert {group.name, offline} <= set(listed)


@feature("describe a group")
def describe(setting: Setting) -> None:
    topic = setting.make_topic(partitions=3)
    with LiveGroup(setting, topics=[topic], assignor="roundrobin") as group:
        group.start()
        group.start()
        group.await_shared(topic, partitions=3)
        described = setting.ask("describe_group", group=group.name)
    assert sorted(described.pop("members")) == [[[topic, 0], [topic, 2]], [[topic, 1]]]
    assert described == {"state": "Stable", "protocol": "roundrobin"}


@feature("list a group's offsets")
def list_offsets(setting: Setting) -> None:
    group, first, second = setting.topic_name(), setting.make_topic(partitions=2), setting.make_topic()
    commit(setting.wire, group, first, {0: 5, 1: 7})
    commit(setting.wire, group, second, {0: 9})
    expected = [[first, 0, 5], [first, 1, 7], [second, 0, 9]]
    assert sorted(setting.ask("group_offsets", group=group)) == expected


@feature("a group's lag")
def lag(setting: Setting) -> None:
    group, topic = setting.topic_name(), setting.make_topic(partitions=2)
    for partition in (0, 1):
        produce(setting.wire, topic, *[b"value"] * 10, partition=partition)
    commit(setting.wire, group, topic, {0: 10, 1: 3})
    assert sorted(setting.ask("lag", group=group)) == [[topic, 0, 0], [topic, 1, 7]]


@feature("alter a group's offsets")
def alter_offsets(setting: Setting) -> None:
    group, topic = setting.topic_name(), setting.make_topic(partitions=2)
    commit(setting.wire, group, topic, {0: 5, 1: 7})
    setting.ask("alter_offset", group=group, topic=topic, partition=1, offset=2)
    assert committed(setting.wire, group, topic, 2) == [5, 2]


@feature("reset a group's offsets")
def reset_offsets(setting: Setting) -> None:
    group, topic = setting.topic_name(), setting.make_topic()
    produce(setting.wire, topic, *[b"value"] * 10)
    commit(setting.wire, group, topic, {0: 5})
    assert setting.ask("reset_offset", group=group, topic=topic, partition=0) == 0
    assert committed(setting.wire, group, topic, 1) == [0]


@feature("delete a group's offsets")
def delete_offsets(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    with LiveGroup(setting, topics=[topic]) as group:
        commit(setting.wire, group.name, topic, {0: 5, 1: 7})
        setting.ask("delete_offset", group=group.name, topic=topic, partition=1)
        assert committed(setting.wire, group.name, topic, 2) == [5, -1]
        group.start()
        group.await_shared(topic, partitions=2)
        with pytest.raises(ClientError) as caught:
            setting.ask("delete_offset", group=group.name, topic=topic, partition=0)
        assert caught.value.code == GROUP_SUBSCRIBED_TO_TOPIC
    assert committed(setting.wire, group.name, topic, 2) == [5, -1]


@feature("remove a member from a group")
def remove_member(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    with LiveGroup(setting, topics=[topic]) as group:
        group.start()
        (removed,) = group.await_shared(topic, partitions=2).members
        setting.ask("remove_member", group=group.name, member_id=removed.member_id)
        # It learns of it at its next heartbeat, and joins anew.
        (again,) = group.await_shared(topic, partitions=2).members
        assert again.member_id != removed.member_id


@feature("delete a group")
def delete_group(setting: Setting) -> None:
    topic = setting.make_topic()
    with LiveGroup(setting, topics=[topic]) as group:
        commit(setting.wire, group.name, topic, {0: 5})
        setting.ask("delete_group", group=group.name)
        assert group.name not in list_groups(setting.wire)
        assert committed(setting.wire, group.name, topic, 1) == [-1]
        with pytest.raises(ClientError) as caught:
            setting.ask("delete_group", group=group.name)
        assert caught.value.code == GROUP_ID_NOT_FOUND
        group.start()
        group.await_shared(topic, partitions=1)
        with pytest.raises(ClientError) as caught:
            setting.ask("delete_group", group=group.name)
        assert caught.value.code == NON_EMPTY_GROUP
    setting.ask("delete_group", group=group.name)
    assert group.name not in list_groups(setting.wire)
