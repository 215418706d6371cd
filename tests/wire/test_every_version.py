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

from . import (
    admin_cluster_cases,
    admin_config_cases,
    admin_log_dir_cases,
    admin_record_cases,
    admin_topic_cases,
    data_cases,
    group_cases,
    topic_cases,
)

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
    "DeleteRecords": admin_record_cases.delete_records,
    "InitProducerId": data_cases.init_producer_id,
    "OffsetForLeaderEpoch": data_cases.offset_for_leader_epoch,
    "CreatePartitions": admin_topic_cases.create_partitions,
    "DescribeConfigs": admin_config_cases.describe_configs,
    "AlterConfigs": admin_config_cases.alter_configs,
    "IncrementalAlterConfigs": admin_config_cases.incremental_alter_configs,
    "ListConfigResources": admin_config_cases.list_config_resources,
    "DeleteGroups": group_cases.delete_groups,
    "ElectLeaders": admin_topic_cases.elect_leaders,
    "AlterPartitionReassignments": admin_topic_cases.alter_partition_reassignments,
    "ListPartitionReassignments": admin_topic_cases.list_partition_reassignments,
    "OffsetDelete": group_cases.offset_delete,
    "DescribeCluster": topic_cases.describe_cluster,
    "DescribeLogDirs": admin_log_dir_cases.describe_log_dirs,
    "AlterReplicaLogDirs": admin_log_dir_cases.alter_replica_log_dirs,
    "DescribeProducers": admin_record_cases.describe_producers,
    "DescribeTopicPartitions": admin_topic_cases.describe_topic_partitions,
    "DescribeAcls": admin_cluster_cases.describe_acls,
    "CreateAcls": admin_cluster_cases.create_acls,
    "DeleteAcls": admin_cluster_cases.delete_acls,
    "DescribeClientQuotas": admin_cluster_cases.describe_client_quotas,
    "AlterClientQuotas": admin_cluster_cases.alter_client_quotas,
    "DescribeUserScramCredentials": admin_cluster_cases.describe_user_scram_credentials,
    "DescribeQuorum": admin_cluster_cases.describe_quorum,
    "UpdateFeatures": admin_cluster_cases.update_features,
    "UnregisterBroker": admin_cluster_cases.unregister_broker,
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
