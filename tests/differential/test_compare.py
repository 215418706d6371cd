"""What counts as a difference, and what is said of it."""

from __future__ import annotations

from typing import Any

from .compare import MISSING, compare
from .side import CLOSED, SILENT, Outcome


def differences(api: str, kafka: Any, ottla: Any) -> list[str]:
    return [str(difference) for difference in compare(api, Outcome(kafka), Outcome(ottla))]


def test_fields_are_compared_one_by_one() -> None:
    kafka = {"error_code": 0, "topics": [{"name": "a", "error_code": 3}]}
    ottla = {"error_code": 1, "topics": [{"name": "a", "error_code": 0}]}
    assert differences("DescribeTopicPartitions", kafka, kafka) == []
    assert differences("DescribeTopicPartitions", kafka, ottla) == [
        "error_code: Kafka 0, Ottla 1",
        "topics[0].error_code: Kafka 3, Ottla 0",
    ]


def test_elements_whose_order_is_free_are_compared_by_their_keys() -> None:
    kafka = {"topics": [{"name": "a", "topic_id": 1}, {"name": "b", "topic_id": 2}]}
    ottla = {"topics": [{"name": "b", "topic_id": 2}]}
    (difference,) = compare("Metadata", Outcome(kafka), Outcome(ottla))
    assert difference.path == ("topics", "[a 1]")
    assert difference.ottla == MISSING
    assert difference.fields == ("topics",)


def test_arrays_in_order_that_are_not_as_long_differ_as_a_whole() -> None:
    assert differences("CreateAcls", {"results": [1, 2]}, {"results": [1]}) == ["results: Kafka [1, 2], Ottla [1]"]


def test_no_answer_is_an_answer() -> None:
    assert compare("Fetch", CLOSED, CLOSED) == []
    (difference,) = compare("Fetch", CLOSED, SILENT)
    assert str(difference) == "outcome: Kafka 'the connection is closed', Ottla 'no answer comes'"
    assert compare("Fetch", Outcome({"error_code": 0}), CLOSED) != []
