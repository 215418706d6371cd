"""The table of error codes against kio's."""

from __future__ import annotations

import pickle

from kio.schema.errors import ErrorCode as KioErrorCode

from protocol.errors import ErrorCode, KafkaError


def test_names_codes_and_retriability_are_kafkas() -> None:
    ours = [(code.name, code.value, code.retriable) for code in ErrorCode]
    assert ours == [(code.name.upper(), code.value, code.retriable) for code in KioErrorCode]


def test_a_code_is_its_number() -> None:
    assert ErrorCode(3) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) == 3
    assert pickle.loads(pickle.dumps(ErrorCode.CORRUPT_MESSAGE)) is ErrorCode.CORRUPT_MESSAGE


def test_an_error_tells_its_code_and_message() -> None:
    error = KafkaError(ErrorCode.INVALID_CONFIG, "retention.ms is no number")
    assert (error.code, error.message) == (40, "retention.ms is no number")
    assert str(error) == "INVALID_CONFIG: retention.ms is no number"
    assert str(KafkaError(ErrorCode.NOT_CONTROLLER)) == "NOT_CONTROLLER"
