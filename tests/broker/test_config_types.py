"""Parsing and judging values; the expected sentences are those of a Kafka 4.3 broker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config_types import (
    LONG_MAX,
    Between,
    ConfigError,
    ConfigType,
    ListOf,
    OneOf,
    Value,
    at_least,
    parse,
    to_text,
)

SHORT, INT, LONG, DOUBLE, BOOLEAN, STRING, LIST = (
    ConfigType.SHORT,
    ConfigType.INT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.LIST,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SHORT, "32767", 32767),
        (SHORT, "-32768", -32768),
        (INT, "2147483647", 2147483647),
        (INT, "-2147483648", -2147483648),
        (INT, "+5", 5),
        (LONG, " 100 ", 100),
        (LONG, "9223372036854775807", LONG_MAX),
        (DOUBLE, "1e-1", 0.1),
        (DOUBLE, ".5", 0.5),
        (DOUBLE, "3", 3.0),
        (BOOLEAN, "TRUE", True),
        (BOOLEAN, " false ", False),
        (STRING, " gzip ", "gzip"),
        (LIST, "compact, delete", ("compact", "delete")),
        (LIST, "a,b,a", ("a", "b")),
        (LIST, " ", ()),
        (LIST, "\0", ()),  # Java's trim() takes it away
        (LIST, "\u00a0", ("\u00a0",)),  # and leaves this
        (LONG, "\x1f7\0", 7),
        (LIST, "", ()),
        (LIST, "a,", ("a", "")),
    ],
)
def test_parse(kind: ConfigType, text: str, value: Value) -> None:
    assert parse("x", kind, None, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SHORT, "32768"),
        (SHORT, "-32769"),
        (INT, "2147483648"),
        (INT, "-2147483649"),
        (INT, "1_000"),
        (INT, "0x10"),
        (INT, "1 0"),
        (INT, ""),
        (INT, "9" * 5000),
        (LONG, "1.5"),
        (LONG, "9223372036854775808"),
        (LONG, "abc"),
        (DOUBLE, "abc"),
        (DOUBLE, "NaN"),
        (DOUBLE, "1e999"),
        (DOUBLE, ""),
    ],
)
def test_parse_refuses_what_is_no_number(kind: ConfigType, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^Invalid value .* for configuration x: Not a number of type {kind.name}$"):
        parse("x", kind, None, text)


@pytest.mark.parametrize("text", ["yes", "1", "", "truefalse"])
def test_parse_refuses_what_is_no_boolean(text: str) -> None:
    with pytest.raises(
        ConfigError, match=f"^Invalid value {text} for configuration x: Expected value to be either true"
    ):
        parse("x", BOOLEAN, None, text)


@pytest.mark.parametrize(
    ("kind", "valid", "text", "complaint"),
    [
        (LONG, at_least(-1), "-5", "Value must be at least -1"),
        (INT, Between(1, 17), "0", "Value must be at least 1"),
        (INT, Between(1, 17), "18", "Value must be no more than 17"),
        (INT, Between(1, 9, -1), "10", "Value must be between 1 and 9 or equal to -1"),
        (INT, Between(1, 9, -1), "0", "Value must be between 1 and 9 or equal to -1"),
        (DOUBLE, Between(0, 1), "1.5", "Value must be no more than 1"),
        (STRING, OneOf("gzip", "zstd"), "GZIP", "String must be one of: gzip, zstd"),
        (LIST, ListOf("compact", "delete", may_be_empty=True), "none", "String must be one of: compact, delete"),
    ],
)
def test_parse_refuses_what_is_not_valid(
    kind: ConfigType, valid: Between | OneOf | ListOf, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse("x", kind, valid, text)
    assert str(refused.value) == f"Invalid value {text} for configuration x: {complaint}"


@pytest.mark.parametrize(
    ("valid", "text", "sentence"),
    [
        (
            ListOf("compact", "delete", may_be_empty=True),
            "compact,none",
            "Invalid value none for configuration x: String must be one of: compact, delete",
        ),
        (ListOf("compact", may_be_empty=True), "compact,", "Configuration 'x' values must not be empty."),
        (ListOf(), "", "Configuration 'x' must not be empty. Valid values include: any non-empty value"),
    ],
)
def test_lists_have_sentences_of_their_own(valid: ListOf, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse("x", LIST, valid, text)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("kind", "valid", "text"),
    [
        (INT, Between(1, 9, -1), "-1"),
        (INT, Between(1, 9, -1), "9"),
        (DOUBLE, Between(0, 1), "1"),
        (LIST, ListOf("compact", "delete", may_be_empty=True), ""),
        (LIST, ListOf("compact", "delete"), "delete,compact"),
        (LIST, ListOf(), "anything"),
    ],
)
def test_parse_accepts_what_is_valid(kind: ConfigType, valid: Between | ListOf, text: str) -> None:
    parse("x", kind, valid, text)


def test_a_long_value_is_quoted_in_part() -> None:
    with pytest.raises(ConfigError) as refused:
        parse("x", LONG, None, "a" * 1_000_000)
    assert len(str(refused.value)) < 300


_VALUES = st.one_of(
    st.tuples(st.just(BOOLEAN), st.booleans()),
    st.tuples(st.just(LONG), st.integers(-LONG_MAX - 1, LONG_MAX)),
    st.tuples(st.just(DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(LIST), st.lists(st.text("abc.:/-", min_size=1), unique=True).map(tuple)),
)


@given(_VALUES)
def test_text_of_a_value_parses_to_it(pair: tuple[ConfigType, Value]) -> None:
    kind, value = pair
    text = to_text(value)
    assert text is not None
    assert parse("x", kind, None, text) == value


@given(st.sampled_from(ConfigType), st.text())
def test_parse_raises_nothing_but_config_error(kind: ConfigType, text: str) -> None:
    try:
        parse("x", kind, None, text)
    except ConfigError as error:
        assert "configuration x" in str(error)
