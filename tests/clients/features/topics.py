"""The cluster and its topics."""

from __future__ import annotations

import pytest

from tests.clients.client_process import ClientError
from tests.clients.setting import Setting, feature
from tests.support.records_over_the_wire import describe, read_all, values_of
from tests.support.under_test import settled

UNKNOWN_TOPIC_OR_PARTITION = 3
TOPIC_ALREADY_EXISTS = 36
INVALID_CONFIG = 40
MANY = 100


@feature("connect")
def connect(setting: Setting) -> None:
    assert setting.ask("connect") is True


@feature("describe the cluster")
def describe_cluster(setting: Setting) -> None:
    described = setting.ask("describe_cluster")
    known = describe(setting.wire)
    assert described["cluster_id"] == known.cluster_id
    assert described["controller_id"] == known.controller_id
    assert described["brokers"] == [[broker.node_id, broker.host, broker.port] for broker in known.brokers]


@feature("create a topic")
def create_topic(setting: Setting) -> None:
    name = setting.topic_name()
    configs = {"max.message.bytes": "2000", "retention.ms": "86400000"}
    setting.ask("create_topic", topic=name, partitions=3, configs=configs)
    assert settled(lambda: len(describe(setting.wire, name).topics[0].partitions) == 3, "the topic is known")
    with pytest.raises(ClientError) as caught:
        setting.ask("create_topic", topic=name, partitions=3, configs={})
    assert caught.value.code == TOPIC_ALREADY_EXISTS
    with pytest.raises(ClientError) as caught:
        setting.ask("create_topic", topic=setting.topic_name(), partitions=1, configs={"segment.bytes": "few"})
    assert caught.value.code == INVALID_CONFIG


@feature("list topics")
def list_topics(setting: Setting) -> None:
    topics = {setting.make_topic(), setting.make_topic()}
    assert topics <= set(setting.ask("list_topics"))


@feature("describe a topic")
def describe_topic(setting: Setting) -> None:
    topic = setting.make_topic(partitions=3)
    (node,) = describe(setting.wire).brokers
    assert setting.ask("describe_topic", topic=topic) == {"partitions": [0, 1, 2], "leaders": [node.node_id]}


@feature("delete a topic")
def delete_topic(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    setting.ask("delete_topic", topic=topic)
    assert settled(
        lambda: describe(setting.wire, topic).topics[0].error_code == UNKNOWN_TOPIC_OR_PARTITION, "the topic is gone"
    )


@feature("unknown topic is an error")
def unknown_topic(setting: Setting) -> None:
    with pytest.raises(ClientError) as caught:
        setting.ask("delete_topic", topic=setting.topic_name())
    assert caught.value.code == UNKNOWN_TOPIC_OR_PARTITION


@feature("topic created at first use")
def auto_create(setting: Setting) -> None:
    topic = setting.topic_name()
    assert setting.ask("touch", topic=topic) == 1
    assert describe(setting.wire, topic).topics[0].error_code == 0
    unused = setting.topic_name()
    setting.ask("produce", topic=unused, records=[{"value": "first"}])
    assert values_of(read_all(setting.wire, unused)) == [b"first"]


@feature(f"{MANY} partitions")
def many_partitions(setting: Setting) -> None:
    topic = setting.make_topic(partitions=MANY)
    records = [{"value": f"value {index}", "partition": index} for index in range(MANY)]
    setting.ask("produce", topic=topic, records=records)
    read = setting.ask("consume", topic=topic, partitions=list(range(MANY)), count=MANY)
    assert sorted((each["partition"], each["value"]) for each in read) == [
        (index, f"value {index}") for index in range(MANY)
    ]
