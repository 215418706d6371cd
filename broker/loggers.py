"""The broker's own loggers and their levels, which clients can read and change at run time (KIP-412).

Levels have Kafka's names. They are this process's, shared by all brokers in it, and gone with its end, as in Kafka.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from protocol.errors import ErrorCode, KafkaError

from .core.controller.configs import ConfigChange, ConfigOperation

ROOT = "root"

# The first that a number reaches is its name; Python has none for the last.
_LEVELS = {
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": 5,
}
_PACKAGES = ("broker", "storage")

logger = logging.getLogger(__name__)


def logger_levels() -> dict[str, str]:
    """Return the level in force of each logger, by its name."""
    return {name: _level_name(found.getEffectiveLevel()) for name, found in sorted(_loggers())}


def change_levels(changes: Iterable[ConfigChange], *, validate_only: bool) -> None:
    """Set levels, or with DELETE leave them to the logger above again; with `validate_only` only see whether one could.

    Raises KafkaError: INVALID_REQUEST or INVALID_CONFIG, after which none is changed.
    """
    loggers = dict(_loggers())
    levels = []
    for name, operation, value in changes:
        if operation in (ConfigOperation.APPEND, ConfigOperation.SUBTRACT):
            operation_name = ConfigOperation(operation).name
            raise KafkaError(
                ErrorCode.INVALID_REQUEST, f"{operation_name} operation is not allowed for the BROKER_LOGGER resource"
            )
        if name not in loggers:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Logger {name} does not exist!")
        if operation == ConfigOperation.DELETE:
            if name == ROOT:
                message = f"Removing the log level of the {ROOT} logger is not allowed"
                raise KafkaError(ErrorCode.INVALID_REQUEST, message)
            levels.append((name, logging.NOTSET))
        elif value in _LEVELS:
            levels.append((name, _LEVELS[value]))
        else:
            message = (
                f"Cannot set the log level of {name} to {value} as it is not a supported log level. "
                f"Valid log levels are {', '.join(sorted(_LEVELS))}"
            )
            raise KafkaError(ErrorCode.INVALID_CONFIG, message)
    if validate_only:
        return
    for name, level in levels:
        loggers[name].setLevel(level)
        logger.warning("[configs] The log level of %s is now %s", name, _level_name(loggers[name].getEffectiveLevel()))


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    """Yield those of our packages that there are by now, the packages' own, and the root."""
    yield ROOT, logging.getLogger()
    for package in _PACKAGES:
        yield package, logging.getLogger(package)
    for name, found in list(logging.root.manager.loggerDict.items()):
        if isinstance(found, logging.Logger) and name.partition(".")[0] in _PACKAGES and name not in _PACKAGES:
            yield name, found


def _level_name(level: int) -> str:
    return next((name for name, least in _LEVELS.items() if level >= least), "TRACE")
