"""Client quotas: codes and messages as asked of a Kafka 4.3.1, which differs where the comments say so."""

from __future__ import annotations

import pytest

from broker.core.controller.client_quotas import (
    CLIENT_ID,
    DEFAULT,
    EXACT,
    IP,
    SPECIFIED,
    USER,
    FilterComponent,
    QuotaChange,
    check_alteration,
    check_filter,
    duplicate_entity,
)
from protocol.errors import ErrorCode, KafkaError

TOO_LARGE = "Proposed value for {} is too large for {}."


@pytest.mark.parametrize(
    "components",
    [
        [],
        [(USER, EXACT, "a")],
        [(USER, DEFAULT, None)],
        [(USER, SPECIFIED, None)],
        [(USER, EXACT, "a"), (CLIENT_ID, DEFAULT, None)],
        [(IP, EXACT, "no host at all")],
    ],
)
def test_filters_that_make_sense(components: list[tuple[str, int, str | None]]) -> None:
    check_filter(FilterComponent(*component) for component in components)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ([("", EXACT, "a")], "Invalid empty entity type."),
        ([(USER, EXACT, None)], "Request specified MATCH_TYPE_EXACT, but set match string to null."),
        ([(USER, DEFAULT, "a")], "Request specified MATCH_TYPE_DEFAULT, but also specified a match string."),
        ([(USER, SPECIFIED, "a")], "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string."),
        ([(USER, 3, None)], "Unknown match type 3"),
        ([(USER, -1, "a")], "Unknown match type -1"),
        ([(USER, SPECIFIED, None)] * 2, "Entity type user cannot appear more than once in the filter."),
        (
            [(IP, SPECIFIED, None), (USER, SPECIFIED, None)],
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId "
            "filter component.",
        ),
    ],
)
def test_filters_that_make_no_sense(components: list[tuple[str, int, str | None]], message: str) -> None:
    with pytest.raises(KafkaError) as caught:
        check_filter(FilterComponent(*component) for component in components)
    assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_REQUEST, message)


@pytest.mark.parametrize("match", ["a", None])
def test_a_filter_of_an_unknown_type(match: str | None) -> None:
    with pytest.raises(KafkaError) as caught:
        check_filter([FilterComponent("group", EXACT, match)])
    assert (caught.value.code, caught.value.message) == (
        ErrorCode.UNSUPPORTED_VERSION,
        "Unsupported entity type group",
    )


@pytest.mark.parametrize(
    ("entity", "changes"),
    [
        ({USER: "a"}, []),
        ({USER: "a"}, [("producer_byte_rate", None)]),
        ({USER: None, CLIENT_ID: None}, [("nonsense", None), ("", None)]),
        ({IP: "127.0.0.1"}, [("connection_creation_rate", None)]),
        ({IP: "::1"}, [("connection_creation_rate", None)]),
        ({IP: None}, [("producer_byte_rate", None)]),
    ],
)
def test_what_sets_nothing_passes(entity: dict[str, str | None], changes: list[tuple[str, float | None]]) -> None:
    check_alteration(entity, [QuotaChange(*change) for change in changes])


@pytest.mark.parametrize(
    ("entity", "key", "value"),
    [
        ({USER: "a"}, "producer_byte_rate", 1.0),
        ({CLIENT_ID: "a"}, "consumer_byte_rate", 1e18),
        ({USER: "a", CLIENT_ID: None}, "request_percentage", 0.5),
        ({USER: None}, "controller_mutation_rate", 1e30),
        ({USER: "a"}, "producer_byte_rate", 5.0000001),
        ({USER: "a"}, "request_percentage", float("nan")),
        ({IP: "example.org"}, "connection_creation_rate", 5.0),
        ({IP: None}, "connection_creation_rate", 2147483647.0),
    ],
)
def test_no_quota_can_be_set(entity: dict[str, str | None], key: str, value: float) -> None:
    with pytest.raises(KafkaError) as caught:
        check_alteration(entity, [QuotaChange("consumer_byte_rate", None), QuotaChange(key, value)])
    assert caught.value.code == ErrorCode.POLICY_VIOLATION  # a Kafka sets them
    assert "not enforced" in str(caught.value.message)


@pytest.mark.parametrize(
    ("entity", "key", "value", "message"),
    [
        ({}, "producer_byte_rate", 1.0, "Invalid empty client quota entity"),
        ({}, "producer_byte_rate", None, "Invalid empty client quota entity"),
        ({"group": "a"}, "producer_byte_rate", 1.0, "Unhandled client quota entity type: group"),
        ({"": "a"}, "producer_byte_rate", None, "Unhandled client quota entity type: "),
        ({USER: ""}, "producer_byte_rate", 1.0, "Empty user not supported"),
        ({CLIENT_ID: ""}, "producer_byte_rate", None, "Empty client-id not supported"),
        ({IP: ""}, "connection_creation_rate", 1.0, "Empty ip not supported"),
        ({IP: "no host!"}, "connection_creation_rate", None, "no host! is not a valid IP or resolvable host."),
        (
            {IP: "1.1.1.1", USER: "a"},
            "connection_creation_rate",
            1.0,
            # Kafka writes "shouldnot".
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        ),
        ({USER: "a"}, "connection_creation_rate", 1.0, "Invalid configuration key connection_creation_rate"),
        ({IP: "1.1.1.1"}, "producer_byte_rate", 1.0, "Invalid configuration key producer_byte_rate"),
        ({USER: "a"}, "", -1.0, "Invalid configuration key "),
        ({USER: "a"}, "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        ({USER: "a"}, "request_percentage", -1.0, "Quota request_percentage must be greater than 0"),
        ({USER: "a"}, "consumer_byte_rate", 1.5, "consumer_byte_rate cannot be a fractional value."),
        ({USER: "a"}, "producer_byte_rate", 1e30, TOO_LARGE.format("producer_byte_rate", "a LONG")),
        ({USER: "a"}, "consumer_byte_rate", float("inf"), TOO_LARGE.format("consumer_byte_rate", "a LONG")),
        ({IP: None}, "connection_creation_rate", 1.5, "connection_creation_rate cannot be a fractional value."),
        ({IP: None}, "connection_creation_rate", 1e10, TOO_LARGE.format("connection_creation_rate", "an INT")),
    ],
)
def test_bad_entities_and_quotas(entity: dict[str, str | None], key: str, value: float | None, message: str) -> None:
    with pytest.raises(KafkaError) as caught:
        check_alteration(entity, [QuotaChange(key, value)])
    assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_REQUEST, message)


def test_one_bad_quota_refuses_all_of_its_entity() -> None:
    with pytest.raises(KafkaError, match="Invalid configuration key bad"):
        check_alteration({USER: "a"}, [QuotaChange("producer_byte_rate", 5.0), QuotaChange("bad", 1.0)])


def test_a_duplicate_is_named_as_kafka_names_it() -> None:
    error = duplicate_entity({USER: "a", CLIENT_ID: None})
    assert error.code == ErrorCode.INVALID_REQUEST
    assert error.message == "Ignoring duplicate entity ClientQuotaEntity(entries={user=a, client-id=null})"
