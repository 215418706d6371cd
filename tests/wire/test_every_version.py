"""Every version of every API of the registry, called over the wire; the answers are decoded by kio.

Each API has a case, a function that takes the version. An API of the registry without one fails.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from broker.registry import APIS
from tests.support.records_over_the_wire import describe
from tests.support.wire import WireClient

from . import data_cases, group_cases, topic_cases

Case = Callable[[WireClient, int, SimpleNamespace], None]

CASES: dict[str, Case] = {
    "ApiVersions": topic_cases.api_versions,
    "Metadata": topic_cases.metadata,
    "Produce": data_cases.produce_case,
    "Fetch": data_cases.fetch_case,
    "ListOffsets": data_cases.list_offsets,
    "OffsetCommit": group_cases.offset_commit,
    "OffsetFetch": group_cases.offset_fetch,
    "FindCoordinator": group_cases.find_coordinator,
    "JoinGroup": group_cases.join_group,
    "Heartbeat": group_cases.heartbeat,
    "LeaveGroup": group_cases.leave_group,
    "SyncGroup": group_cases.sync_group,
    "DescribeGroups": group_cases.describe_groups,
    "ListGroups": group_cases.list_groups,
    "CreateTopics": topic_cases.create_topics,
    "DeleteTopics": topic_cases.delete_topics,
    "InitProducerId": data_cases.init_producer_id,
    "OffsetForLeaderEpoch": data_cases.offset_for_leader_epoch,
    "DeleteGroups": group_cases.delete_groups,
    "OffsetDelete": group_cases.offset_delete,
    "DescribeCluster": topic_cases.describe_cluster,
}


@pytest.mark.parametrize(
    ("api", "version"), [(api.name, version) for api in APIS for version in range(api.min_version, api.max_version + 1)]
)
def test_every_version(
    api: str, version: int, wire: WireClient, make_topic: Callable[..., str], topic_name: Callable[[], str]
) -> None:
    assert api in CASES, f"{api} is served and has no case here"
    name = make_topic(partitions=2)
    (described,) = describe(wire, name).topics
    CASES[api](wire, version, SimpleNamespace(name=name, id=described.topic_id, new_name=topic_name))


def test_no_case_is_left_over() -> None:
    assert set(CASES) == {api.name for api in APIS}
