"""Which requests a filter lets through."""

from __future__ import annotations

import json

import pytest
from kafka.protocol.schemas import load_json

from broker.wire.filters import Filters, TopicFinder
from protocol.codec import Part, encoder
from protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from protocol.messages.describe_groups import DescribeGroupsRequest
from protocol.messages.fetch import FetchRequest, FetchTopic
from protocol.messages.metadata import MetadataRequest, MetadataResponse, MetadataResponseTopic
from protocol.schema import Message
from tests.protocol.messages import MESSAGES, UNKNOWN_TO_KAFKA_PYTHON, sample

TOPIC_ID = bytes(range(16))


def test_no_filter_fits_everything() -> None:
    assert Filters().fit(3, "rdkafka")
    assert Filters().fit(999, None)


def test_all_filters_must_fit() -> None:
    filters = Filters(api_keys=frozenset({0, 1}), clients=("app-*", "tool"))
    assert filters.fit(0, "app-7")
    assert filters.fit(1, "tool")
    assert not filters.fit(3, "tool")
    assert not filters.fit(0, "tools")
    assert not filters.fit(0, None)
    assert Filters(clients=("*",)).fit(0, None)


def named(cls: type[Message]) -> bool:
    """Whether a message of its latest version, with `orders` in every string, is found to be about that topic."""
    message = sample(cls, cls.VERSIONS.last)
    finder = TopicFinder()
    metadata = MetadataResponse(topics=[MetadataResponseTopic(error_code=0, name="orders", topic_id=TOPIC_ID)])
    assert finder.topics_of(metadata, 12) == {"orders"}
    found = finder.topics_of(message, cls.VERSIONS.last)
    assert found <= {"orders"}
    return bool(found)


DEFINED = [cls for cls in MESSAGES if cls.API_NAME not in UNKNOWN_TO_KAFKA_PYTHON]


@pytest.mark.parametrize("cls", DEFINED, ids=lambda cls: cls.__name__)
def test_topics_are_found_where_kafkas_definitions_say_that_there_are_any(cls: type[Message]) -> None:
    definition = json.dumps(load_json(cls.__name__))
    assert named(cls) == ('"entityType": "topicName"' in definition or '"name": "TopicId"' in definition)


def test_names_of_other_things_are_no_topics() -> None:
    config = CreatableTopicConfig(name="cleanup.policy", value="compact")
    topic = CreatableTopic(name="orders", num_partitions=1, replication_factor=1, configs=[config])
    request = CreateTopicsRequest(topics=[topic], timeout_ms=1)
    assert TopicFinder().topics_of(request, 7) == {"orders"}
    assert TopicFinder().topics_of(DescribeGroupsRequest(groups=["orders"]), 5) == set()


@pytest.mark.parametrize(("resource_type", "topics"), [(2, {"orders"}), (4, set()), (32, set())])
def test_a_resource_is_a_topic_if_it_says_so(resource_type: int, topics: set[str]) -> None:
    resource = DescribeConfigsResource(resource_type=resource_type, resource_name="orders", configuration_keys=None)
    assert TopicFinder().topics_of(DescribeConfigsRequest(resources=[resource]), 4) == topics


def test_an_id_is_a_topic_once_its_name_is_known() -> None:
    finder = TopicFinder()
    fetch = FetchRequest(max_wait_ms=1, min_bytes=1, topics=[FetchTopic(topic_id=TOPIC_ID)])
    assert finder.topics_of(fetch, 16) == set()
    topic = MetadataResponseTopic(error_code=0, name="orders", topic_id=TOPIC_ID)
    parts: list[Part] = []
    encoder(MetadataResponseTopic, 12)(topic, parts)
    finder.topics_of(MetadataResponse(topics=[b"".join(parts)]), 12)  # type: ignore[arg-type]
    assert finder.topics_of(fetch, 16) == {"orders"}


def test_a_request_for_all_topics_names_none() -> None:
    assert TopicFinder().topics_of(MetadataRequest(topics=None), 12) == set()
