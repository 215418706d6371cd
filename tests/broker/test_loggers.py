"""Levels of loggers by Kafka's names; codes and sentences are those of a Kafka 4.3 broker."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from broker.core.controller.configs import ConfigChange, ConfigOperation
from broker.loggers import change_levels, logger_levels
from protocol.errors import ErrorCode, KafkaError

SET, DELETE, APPEND, SUBTRACT = ConfigOperation
NAME = "broker.server"


@pytest.fixture(autouse=True)
def levels_as_they_were() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "broker", NAME)]
    levels = [each.level for each in loggers]
    yield
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def change(name: str, operation: int, value: str | None = None, *, validate_only: bool = False) -> None:
    change_levels([ConfigChange(name, operation, value)], validate_only=validate_only)


def test_levels_are_inherited_until_they_are_set() -> None:
    change("root", SET, "ERROR")
    levels = logger_levels()
    assert {levels["root"], levels["broker"], levels["storage"], levels[NAME]} == {"ERROR"}
    change("broker", SET, "DEBUG")
    assert (logger_levels()["root"], logger_levels()[NAME]) == ("ERROR", "DEBUG")
    change(NAME, SET, "WARN")
    assert logger_levels()[NAME] == "WARN"
    change(NAME, DELETE)
    assert logger_levels()[NAME] == "DEBUG"


@pytest.mark.parametrize("level", ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"])
def test_every_level_of_kafka(level: str) -> None:
    change(NAME, SET, level)
    assert logger_levels()[NAME] == level
    number = logging.CRITICAL if level == "FATAL" else 1 if level == "TRACE" else logging.getLevelName(level)
    assert logging.getLogger(NAME).isEnabledFor(logging.DEBUG) == (number <= logging.DEBUG)


def test_a_level_between_those_of_kafka_has_the_name_of_the_next_lower_one() -> None:
    logging.getLogger(NAME).setLevel(25)
    assert logger_levels()[NAME] == "INFO"
    logging.getLogger(NAME).setLevel(1)
    assert logger_levels()[NAME] == "TRACE"


def test_only_our_own_loggers_and_the_root() -> None:
    logging.getLogger("somebody.else")
    logging.getLogger("brokerage")
    assert {name.partition(".")[0] for name in logger_levels()} == {"root", "broker", "storage"}


@pytest.mark.parametrize(
    ("name", "operation", "value", "code", "sentence"),
    [
        ("nope", SET, "INFO", ErrorCode.INVALID_CONFIG, "Logger nope does not exist!"),
        ("nope", DELETE, None, ErrorCode.INVALID_CONFIG, "Logger nope does not exist!"),
        (
            "root",
            DELETE,
            None,
            ErrorCode.INVALID_REQUEST,
            "Removing the log level of the root logger is not allowed",
        ),
        (
            NAME,
            SET,
            "debug",
            ErrorCode.INVALID_CONFIG,
            f"Cannot set the log level of {NAME} to debug as it is not a supported log level. "
            "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
        ),
        (
            NAME,
            APPEND,
            "INFO",
            ErrorCode.INVALID_REQUEST,
            "APPEND operation is not allowed for the BROKER_LOGGER resource",
        ),
        (
            NAME,
            SUBTRACT,
            "INFO",
            ErrorCode.INVALID_REQUEST,
            "SUBTRACT operation is not allowed for the BROKER_LOGGER resource",
        ),
    ],
)
def test_changes_that_are_refused(name: str, operation: int, value: str | None, code: ErrorCode, sentence: str) -> None:
    before = logger_levels()
    with pytest.raises(KafkaError) as refused:
        change_levels([ConfigChange("broker", SET, "TRACE"), ConfigChange(name, operation, value)], validate_only=False)
    assert (refused.value.code, refused.value.message) == (code, sentence)
    assert logger_levels() == before


def test_one_can_ask_without_changing_anything() -> None:
    before = logger_levels()
    change(NAME, SET, "TRACE", validate_only=True)
    with pytest.raises(KafkaError):
        change("nope", SET, "TRACE", validate_only=True)
    assert logger_levels() == before
