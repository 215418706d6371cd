"""The rules of changing settings; codes and sentences are those of a Kafka 4.3 broker but where a test says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.controller.configs import (
    VALUE_BYTES_MAX,
    Alteration,
    ConfigChange,
    ConfigOperation,
    ConfigResourceType,
    ConfigRules,
    plan_broker,
    plan_topic,
    refuse_malformed,
)
from broker.metadata.image import ConfigImage, MetadataImage, TopicImage
from protocol.errors import ErrorCode, KafkaError

SET, DELETE, APPEND, SUBTRACT = ConfigOperation
TOPIC, BROKER, LOGGER, METRICS, GROUP = ConfigResourceType
NODE_ID = 1
POLICY = "cleanup.policy"

Change = tuple[str, int, str | None]


def alteration(resource_type: int, name: str, *changes: Change, replaces: bool = False) -> Alteration:
    return Alteration(resource_type, name, [ConfigChange(*change) for change in changes], replaces)


def image(
    topics: Mapping[str, Mapping[str, str]] | None = None, brokers: Mapping[int | None, Mapping[str, str]] | None = None
) -> MetadataImage:
    return MetadataImage(
        topics={
            name: TopicImage(name, name.encode().ljust(16), configs, (), False, 1)
            for name, configs in (topics or {}).items()
        },
        broker_configs={node_id: ConfigImage(configs, 1) for node_id, configs in (brokers or {}).items()},
    )


def rules(refusal: str | None = None, lists: str = "PLAINTEXT://:9092") -> ConfigRules:
    """Rules that take anything, or nothing at all."""

    def check(*_: object) -> None:
        if refusal is not None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, refusal)

    return ConfigRules(NODE_ID, check_topic=check, check_broker=check, broker_list=lambda node_id, name: lists)


def refusals(*alterations: Alteration) -> list[tuple[ErrorCode, str | None] | None]:
    return [error and (error.code, error.message) for error in refuse_malformed(alterations)]


def topic_refusal(
    name: str, *changes: Change, configs: Mapping[str, str] | None = None
) -> tuple[ErrorCode, str | None]:
    with pytest.raises(KafkaError) as refused:
        plan_topic(alteration(TOPIC, name, *changes), image({"orders": configs or {}}), rules())
    return refused.value.code, refused.value.message


def broker_refusal(name: str, *changes: Change) -> tuple[ErrorCode, str | None]:
    with pytest.raises(KafkaError) as refused:
        plan_broker(alteration(BROKER, name, *changes), image(), rules())
    return refused.value.code, refused.value.message


# --- what is wrong whatever there is -------------------------------------------------------------------------------


def test_a_resource_that_is_named_twice_is_refused_each_time_and_the_others_are_not() -> None:
    twice = (ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
    assert refusals(
        alteration(TOPIC, "a", ("x", SET, "1")),
        alteration(TOPIC, "b", ("x", SET, "1")),
        alteration(TOPIC, "a"),
        alteration(GROUP, "a"),
        alteration(BROKER, "1"),
        alteration(BROKER, "+01"),
        alteration(BROKER, ""),
    ) == [twice, None, twice, None, twice, twice, None]


@pytest.mark.parametrize("other", [("x", SET, "2"), ("x", DELETE, None)])
def test_a_setting_that_is_named_twice_is_refused(other: Change) -> None:
    sentence = "Error due to duplicate config keys"
    assert refusals(alteration(TOPIC, "a", ("x", SET, "1"), other)) == [(ErrorCode.INVALID_REQUEST, sentence)]


def test_nulls_are_for_what_is_deleted() -> None:
    nulls = [("a", SET, None), ("b", DELETE, None), ("c", APPEND, None), ("d", SUBTRACT, None), ("e", SET, "1")]
    sentence = "Null value not supported for : a, c, d"
    assert refusals(alteration(TOPIC, "t", *nulls)) == [(ErrorCode.INVALID_REQUEST, sentence)]


@pytest.mark.parametrize("resource_type", [-1, 0, 1, 3, 64, 127])
def test_types_that_there_are_not(resource_type: int) -> None:
    sentence = f"Unknown resource type {resource_type}"
    assert refusals(alteration(resource_type, "x")) == [(ErrorCode.INVALID_REQUEST, sentence)]


def test_levels_of_loggers_cannot_be_replaced_as_a_whole() -> None:
    assert refusals(alteration(LOGGER, "1")) == [None]
    assert refusals(alteration(LOGGER, "1", replaces=True)) == [(ErrorCode.INVALID_REQUEST, "Unknown resource type 8")]


@pytest.mark.parametrize("resource_type", ConfigResourceType)
@pytest.mark.parametrize("operation", [-1, 4, 127])
def test_operations_that_there_are_not(resource_type: int, operation: int) -> None:
    # Kafka says so of brokers, and answers UNKNOWN_SERVER_ERROR elsewhere.
    sentence = f"Unknown operations type {operation}"
    assert refusals(alteration(resource_type, "1", ("x", operation, "1"))) == [(ErrorCode.INVALID_REQUEST, sentence)]


# --- topics --------------------------------------------------------------------------------------------------------


def test_some_overrides_are_changed_and_the_others_stay() -> None:
    before = {"retention.ms": "1", "segment.ms": "2", "flush.ms": "3"}
    changes = [("retention.ms", SET, " 5 "), ("segment.ms", DELETE, "whatever"), ("unset", DELETE, None)]
    planned = plan_topic(alteration(TOPIC, "orders", *changes), image({"orders": before}), rules())
    assert planned == {"retention.ms": " 5 ", "flush.ms": "3"}
    assert before == {"retention.ms": "1", "segment.ms": "2", "flush.ms": "3"}


def test_all_overrides_are_replaced() -> None:
    wanted = alteration(TOPIC, "orders", ("segment.ms", SET, "2"), replaces=True)
    assert plan_topic(wanted, image({"orders": {"retention.ms": "1"}}), rules()) == {"segment.ms": "2"}
    assert plan_topic(alteration(TOPIC, "orders", replaces=True), image({"orders": {"a": "1"}}), rules()) == {}


@pytest.mark.parametrize(
    ("before", "operation", "items", "after"),
    [
        (None, APPEND, "compact", "delete,compact"),
        ("compact", APPEND, "compact,delete", "compact,delete"),
        ("", APPEND, "delete", "delete"),
        ("delete", APPEND, "", "delete,"),
        (None, SUBTRACT, "compact", "delete"),
        (None, SUBTRACT, "delete", ""),
        ("compact,delete", SUBTRACT, "delete,compact", ""),
        ("compact", SUBTRACT, "", "compact"),
        # Kafka takes " delete" and "delete" for two items here, and for one when it reads the list.
        (" compact , delete", SUBTRACT, "delete", "compact"),
        ("compact", APPEND, " compact ", "compact"),
    ],
)
def test_lists(before: str | None, operation: int, items: str, after: str) -> None:
    configs = {} if before is None else {POLICY: before}
    planned = plan_topic(alteration(TOPIC, "orders", (POLICY, operation, items)), image({"orders": configs}), rules())
    assert planned == {POLICY: after}


def test_a_list_without_a_property_begins_empty() -> None:
    name = "leader.replication.throttled.replicas"
    wanted = alteration(TOPIC, "orders", (name, APPEND, "0:1,1:1"))
    assert plan_topic(wanted, image({"orders": {}}), rules()) == {name: "0:1,1:1"}


@pytest.mark.parametrize("name", ["retention.ms", "unheard.of"])
@pytest.mark.parametrize("operation", [APPEND, SUBTRACT])
def test_what_is_no_list_has_no_items(name: str, operation: ConfigOperation) -> None:
    sentence = f"Can't {operation.name} to key {name} because its type is not LIST."
    assert topic_refusal("orders", (name, operation, "1")) == (ErrorCode.INVALID_CONFIG, sentence)


def test_a_list_cannot_outgrow_a_string_of_the_protocol() -> None:
    code, _ = topic_refusal("orders", (POLICY, APPEND, "x"), configs={POLICY: "y" * VALUE_BYTES_MAX})
    assert code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("", ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed."),
        (
            "a b",
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' "
            "and '-'",
        ),
        ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'nope' does not exist."),
        (
            "__cluster_metadata",
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "The topic '__cluster_metadata' does not exist.",
        ),
    ],
)
def test_topics_that_there_are_not(name: str, code: ErrorCode, sentence: str) -> None:
    assert topic_refusal(name, ("retention.ms", SET, "1")) == (code, sentence)


def test_values_are_judged_before_it_is_asked_whether_the_topic_exists() -> None:
    with pytest.raises(KafkaError, match="bad"):
        plan_topic(alteration(TOPIC, "nope", ("retention.ms", SET, "x")), image(), rules("bad"))


# --- brokers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "node_id"), [("1", 1), ("01", 1), ("+1", 1), ("", None)])
def test_what_is_set_for_a_broker_and_for_all(name: str, node_id: int | None) -> None:
    there = image(brokers={None: {"message.max.bytes": "5"}, 1: {"message.max.bytes": "5"}, 2: {"x": "y"}})
    wanted = alteration(BROKER, name, ("log.retention.ms", SET, "1"))
    expected = {"message.max.bytes": "5", "log.retention.ms": "1"}
    assert plan_broker(wanted, there, rules()) == (node_id, expected)
    assert plan_broker(wanted._replace(replaces=True), there, rules()) == (node_id, {"log.retention.ms": "1"})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("2", "Unexpected broker id, expected 1, but received 2"),
        ("-1", "Unexpected broker id, expected 1, but received -1"),
        ("abc", "Node id must be an integer, but it is: abc"),
        ("1 ", "Node id must be an integer, but it is: 1 "),
        ("99999999999", "Node id must be an integer, but it is: 99999999999"),
        ("2147483648", "Node id must be an integer, but it is: 2147483648"),
    ],
)
def test_a_broker_changes_what_is_set_for_itself(name: str, sentence: str) -> None:
    assert broker_refusal(name, ("message.max.bytes", SET, "1")) == (ErrorCode.INVALID_REQUEST, sentence)


READ_ONLY = "Cannot update these configs dynamically: [auto.create.topics.enable, num.partitions]"
PER_BROKER = "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"


@pytest.mark.parametrize(
    ("name", "changes", "code", "sentence"),
    [
        (
            "1",
            [("num.partitions", SET, "x"), ("auto.create.topics.enable", SET, "true")],
            ErrorCode.INVALID_REQUEST,
            READ_ONLY,
        ),
        ("", [("listeners", SET, "PLAINTEXT://:9092")], ErrorCode.INVALID_REQUEST, PER_BROKER),
        (
            "",
            [("message.max.bytes", SET, "abc")],
            ErrorCode.INVALID_REQUEST,
            "Invalid value abc for configuration message.max.bytes: Not a number of type INT",
        ),
        (
            "1",
            [("log.cleanup.policy", APPEND, "bogus")],
            ErrorCode.INVALID_REQUEST,
            "Invalid value bogus for configuration log.cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "1",
            [("message.max.bytes", APPEND, "3")],
            ErrorCode.INVALID_CONFIG,
            "Config value append is not allowed for config key: message.max.bytes",
        ),
        (
            "1",
            [("message.max.bytes", SUBTRACT, "3")],
            ErrorCode.INVALID_CONFIG,
            "Config value subtract is not allowed for config key: message.max.bytes",
        ),
        ("1", [("nope", APPEND, "3")], ErrorCode.INVALID_CONFIG, "Unknown config name: nope"),
        # What nothing here obeys is Kafka's all the same.
        (
            "1",
            [("queued.max.requests", SET, "7")],
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs dynamically: [queued.max.requests]",
        ),
        (
            "",
            [("num.io.threads", SET, "many")],
            ErrorCode.INVALID_REQUEST,
            "Invalid value many for configuration num.io.threads: Not a number of type INT",
        ),
        (
            "",
            [("sasl.kerberos.kinit.cmd", SET, "x")],
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: "
            "[sasl.kerberos.kinit.cmd]",
        ),
    ],
)
def test_properties_that_cannot_be_set(name: str, changes: list[Change], code: ErrorCode, sentence: str) -> None:
    # bogus: the list below it is one of policies
    with pytest.raises(KafkaError) as refused:
        plan_broker(alteration(BROKER, name, *changes), image(), rules(lists="delete"))
    assert (refused.value.code, refused.value.message) == (code, sentence)


@pytest.mark.parametrize("node", ["1", ""])
@pytest.mark.parametrize(
    "name",
    [
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
        "replica.alter.log.dirs.io.max.bytes.per.second",
    ],
)
def test_quotas_of_replication_are_numbers_from_0(name: str, node: str) -> None:
    for text, complaint in (("x", "Not a number of type LONG"), ("-1", "Value must be at least 0")):
        sentence = f"Invalid value {text} for configuration {name}: {complaint}"
        assert broker_refusal(node, (name, SET, text)) == (ErrorCode.INVALID_REQUEST, sentence)
    wanted = alteration(BROKER, node, (name, SET, " 0 "))
    assert plan_broker(wanted, image(), rules())[1] == {name: " 0 "}


def test_what_cannot_be_set_can_be_deleted_and_what_is_unknown_is_kept() -> None:
    wanted = alteration(BROKER, "1", ("num.partitions", DELETE, None), ("some.plugin", SET, "x"))
    assert plan_broker(wanted, image(), rules()) == (1, {"some.plugin": "x"})


def test_an_override_that_is_no_longer_valid_does_not_stand_in_the_way_of_others() -> None:
    there = image(brokers={1: {"num.partitions": "3", "message.max.bytes": "-1"}})
    wanted = alteration(BROKER, "1", ("log.retention.ms", SET, "1"))
    expected = {"num.partitions": "3", "message.max.bytes": "-1", "log.retention.ms": "1"}
    assert plan_broker(wanted, there, rules()) == (1, expected)


def test_a_list_of_a_broker_is_changed_from_what_its_file_says() -> None:
    # Kafka: from the property's default, so that the broker's own listeners would be gone.
    wanted = alteration(BROKER, "1", ("listeners", APPEND, "EXTRA://:9095"))
    assert plan_broker(wanted, image(), rules()) == (1, {"listeners": "PLAINTEXT://:9092,EXTRA://:9095"})


def test_what_does_not_go_with_the_rest_is_refused() -> None:
    with pytest.raises(KafkaError, match="bad"):
        plan_broker(alteration(BROKER, "1", ("message.max.bytes", SET, "1")), image(), rules("bad"))


# --- any sequence of changes ---------------------------------------------------------------------------------------

items = st.sampled_from(["compact", "delete", "compact,delete", " delete , compact", ""])
changes = st.one_of(
    st.tuples(st.just(POLICY), st.sampled_from(ConfigOperation), items),
    st.tuples(st.sampled_from(["retention.ms", "segment.ms"]), st.sampled_from([SET, DELETE]), st.sampled_from("12")),
)


@given(st.lists(st.tuples(changes, st.booleans()), max_size=12))
def test_any_sequence_of_changes_comes_to_what_a_dict_and_a_set_would(steps: list[tuple[Change, bool]]) -> None:
    configs: dict[str, str] = {}
    model: dict[str, object] = {}
    for (name, operation, value), replaces in steps:
        assert value is not None
        wanted = alteration(TOPIC, "orders", (name, operation, value), replaces=replaces)
        configs = plan_topic(wanted, image({"orders": configs}), rules())
        if replaces:
            model = {}
        parts = {part.strip() for part in value.split(",")}
        if operation == DELETE:
            model.pop(name, None)
        elif name != POLICY:
            model[name] = value
        else:
            known = model.get(name, {"delete"})
            assert isinstance(known, set)
            model[name] = {SET: parts, APPEND: known | parts, SUBTRACT: known - parts}[ConfigOperation(operation)] - {
                ""
            }
        told = {
            name: {part.strip() for part in text.split(",")} - {""} if name == POLICY else text
            for name, text in configs.items()
        }
        assert told == model
