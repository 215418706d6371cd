"""Deleting topics: which topics a request means, and which of them its client may delete.

Pure, as broker.core.controller.topic_creation. Codes and messages are those of Kafka's controller: who may not describe
a topic learns nothing of it, neither that it exists nor which name belongs to an id. One departure: the internal topics
stay. Kafka lets an admin delete them, and with them all committed offsets, as whoever deletes "all topics" finds out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from protocol.schema import ZERO_UUID

from ...metadata.image import MetadataImage, TopicImage


class TopicReference(NamedTuple):
    """A topic named by its name or by its id, and it should be by one of them."""

    name: str | None
    topic_id: bytes = ZERO_UUID


class Refusal(NamedTuple):
    """What of a topic may be shown beside the error."""

    name: str | None
    topic_id: bytes
    error: KafkaError


class DeletionPlan(NamedTuple):
    """The topics to delete, and what to answer of all other references."""

    topics: list[TopicImage]
    refused: list[Refusal]


def plan_deletion(
    references: Sequence[TopicReference],
    image: MetadataImage,
    may_describe: Callable[[str], bool],
    may_delete: Callable[[str], bool],
) -> DeletionPlan:
    """Tell the topics that can be deleted from the references that are refused."""
    refused: list[Refusal] = []
    by_id: dict[bytes, TopicImage] = {}
    by_name: list[TopicImage] = []
    for reference, count in Counter(references).items():
        name, topic_id = reference
        try:
            _check_reference(reference, count)
            if name is None:
                by_id[topic_id] = _find_by_id(topic_id, image, may_describe, may_delete)
            else:
                by_name.append(_find_by_name(name, image, may_describe, may_delete))
        except _Refused as refusal:
            refused.append(Refusal(refusal.shown_name, topic_id, refusal.error))
    for topic in by_name:
        if topic.topic_id in by_id:
            del by_id[topic.topic_id]
            message = "The provided topic name maps to an ID that was already supplied."
            refused.append(Refusal(topic.name, topic.topic_id, KafkaError(ErrorCode.INVALID_REQUEST, message)))
        else:
            by_id[topic.topic_id] = topic
    return DeletionPlan(list(by_id.values()), refused)


class _Refused(Exception):
    def __init__(self, shown_name: str | None, code: ErrorCode, message: str | None) -> None:
        self.shown_name = shown_name
        self.error = KafkaError(code, message)


def _check_reference(reference: TopicReference, count: int) -> None:
    name, topic_id = reference
    if name is None and topic_id == ZERO_UUID:
        message = "Neither topic name nor id were specified."
    elif name is not None and topic_id != ZERO_UUID:
        message = "You may not specify both topic name and topic id."
    elif count > 1:
        message = "Duplicate topic id." if name is None else "Duplicate topic name."
    else:
        return
    raise _Refused(name, ErrorCode.INVALID_REQUEST, message)


def _find_by_id(
    topic_id: bytes, image: MetadataImage, may_describe: Callable[[str], bool], may_delete: Callable[[str], bool]
) -> TopicImage:
    topic = image.topics_by_id.get(topic_id)
    if topic is None:
        raise _Refused(None, ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
    if not may_delete(topic.name):
        shown_name = topic.name if may_describe(topic.name) else None
        raise _Refused(shown_name, ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")
    return _unless_internal(topic)


def _find_by_name(
    name: str, image: MetadataImage, may_describe: Callable[[str], bool], may_delete: Callable[[str], bool]
) -> TopicImage:
    topic = image.topics.get(name)
    described = may_describe(name)
    if described and topic is None:
        message = "This server does not host this topic-partition."
        raise _Refused(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
    if topic is None or not described or not may_delete(name):
        raise _Refused(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")
    return _unless_internal(topic)


def _unless_internal(topic: TopicImage) -> TopicImage:
    if topic.internal:
        message = f"Cannot delete internal topic {topic.name}: the broker itself keeps its state there."
        raise _Refused(topic.name, ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    return topic
