"""The table of Kafka's APIs, and the messages that are declared for them."""

from __future__ import annotations

import pytest
from kio.schema.index import api_key_map

from broker.registry import APIS
from broker.wire.apis import API_NAMES, api_key, api_name, messages_of
from tests.protocol.messages import MESSAGES
from tests.support.wire import snake


def test_names_are_those_of_kafka() -> None:
    assert {key: snake(API_NAMES[key]) for key in api_key_map} == api_key_map
    # What it has had before 4.0.
    assert set(API_NAMES) - set(api_key_map) == {4, 5, 6, 7}


def test_names_are_those_of_the_registry() -> None:
    assert {api.key: api.name for api in APIS}.items() <= API_NAMES.items()


def test_every_declared_message_is_found() -> None:
    found = [messages_of(key) for key in API_NAMES]
    assert {cls for pair in found if pair is not None for cls in pair} == set(MESSAGES)


def test_an_api_that_nobody_knows() -> None:
    assert api_name(999) == "Api999"
    assert api_key("Api999") == 999
    assert messages_of(999) is None
    assert messages_of(-1) is None


@pytest.mark.parametrize("text", ["Metadata", "metadata", "METADATA", "3"])
def test_an_api_is_given_by_name_or_key(text: str) -> None:
    assert api_key(text) == 3


@pytest.mark.parametrize("text", ["Meta", "", "-1", "٣"])
def test_an_api_that_does_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="there is no API"):
        api_key(text)
