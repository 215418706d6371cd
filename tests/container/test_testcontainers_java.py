"""Testcontainers for Java starts the image as if it were apache/kafka's or cp-kafka's."""

from __future__ import annotations

from pathlib import Path

from .java_programs import run_java

PROGRAM = Path(__file__).parent / "java" / "Containers.java"


def test_each_of_its_classes_for_kafka(image: str, java_jars: str) -> None:
    assert run_java(java_jars, PROGRAM, image).splitlines() == [
        "KafkaContainer",
        "KafkaContainer with a listener",
        "ConfluentKafkaContainer",
        "the deprecated KafkaContainer with KRaft",
        "the deprecated KafkaContainer",
    ]
