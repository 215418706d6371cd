"""The cluster, to admin clients."""

from __future__ import annotations

from tests.clients.setting import Setting, feature
from tests.support.admin_over_the_wire import (
    directories_of,
    log_directories,
    node_id,
    partitions_of,
    supported_versions,
)
from tests.support.groups_over_the_wire import commit
from tests.support.records_over_the_wire import produce, read_all, values_of
from tests.support.under_test import settled

UNKNOWN_TOPIC_OR_PARTITION = 3
INVALID_REPLICA_ASSIGNMENT = 39
SECURITY_DISABLED = 54
LOG_DIR_NOT_FOUND = 57
ELECTION_NOT_NEEDED = 84
NO_REASSIGNMENT_IN_PROGRESS = 85
INVALID_UPDATE_VERSION = 95

READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, CLUSTER_ACTION = 3, 4, 5, 6, 7, 8, 9
DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE = 10, 11, 12
ALLOWED = {
    "cluster": [CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE],
    "topic": [READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS],
    "group": [READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS],
}


@feature("what a client is allowed to do")
def allowed(setting: Setting) -> None:
    topic, group = setting.make_topic(), setting.topic_name()
    commit(setting.wire, group, topic, {0: 5})
    seen = setting.ask("allowed_operations", topic=topic, group=group)
    assert "group" in seen
    assert seen == {what: ALLOWED[what] for what in seen}


@feature("versions of the protocol")
def api_versions(setting: Setting) -> None:
    known = {
        str(int(each.api_key)): [each.min_version, each.max_version]
        for each in supported_versions(setting.wire).api_keys
    }
    for seen in setting.ask("api_versions", broker_id=node_id(setting.wire)):
        assert seen == known


@feature("features, and their levels")
def features(setting: Setting) -> None:
    answer = supported_versions(setting.wire)
    known: dict[str, list[list[int]]] = {
        each.name: [[each.min_version, each.max_version], []] for each in answer.supported_features
    }
    for each in answer.finalized_features:
        known[each.name][1] = [each.min_version_level, each.max_version_level]
    assert setting.ask("features") == known


@feature("update a feature")
def update_feature(setting: Setting) -> None:
    before = supported_versions(setting.wire).finalized_features
    for each in before:
        assert setting.ask("update_feature", name=each.name, level=each.max_version_level) == "OK"
    for name, level in (("metadata.version", 1000), ("no.such.version", 1)):
        setting.refused(INVALID_UPDATE_VERSION, "update_feature", name=name, level=level)
    assert supported_versions(setting.wire).finalized_features == before


@feature("describe the metadata quorum")
def quorum(setting: Setting) -> None:
    node = node_id(setting.wire)
    assert setting.ask("quorum") == {"leader": node, "voters": [node], "observers": [], "committed": True}


@feature("the broker that coordinates a group")
def coordinator(setting: Setting) -> None:
    assert setting.ask("coordinator_of", group=setting.topic_name()) == node_id(setting.wire)


@feature("describe log directories")
def describe_log_directories(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    for _ in range(10):
        produce(setting.wire, topic, b"x" * 1000)
    seen = setting.ask("log_directories", topic=topic)
    assert {index: (path, size) for index, path, size in seen} == directories_of(setting.wire, topic)
    assert sorted(size > 0 for _, _, size in seen) == [False, True]


@feature("move a partition to another log directory")
def move_replica(setting: Setting) -> None:
    topic, node = setting.make_topic(), node_id(setting.wire)
    produce(setting.wire, topic, b"first", b"second")
    path = log_directories(setting.wire)[-1]
    setting.ask("move_replica", topic=topic, partition=0, broker_id=node, path=path)
    assert settled(lambda: directories_of(setting.wire, topic)[0][0] == path, f"{topic} is in {path}")
    assert values_of(read_all(setting.wire, topic)) == [b"first", b"second"]
    setting.refused(LOG_DIR_NOT_FOUND, "move_replica", topic=topic, partition=0, broker_id=node, path="/nowhere")
    setting.refused(UNKNOWN_TOPIC_OR_PARTITION, "move_replica", topic=topic, partition=1, broker_id=node, path=path)


@feature("elect leaders")
def elect_leaders(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    for unclean in (False, True):
        outcome = setting.ask("elect_leaders", topic=topic, partitions=[0, 1], unclean=unclean)
        assert outcome == {"0": ELECTION_NOT_NEEDED, "1": ELECTION_NOT_NEEDED}
        setting.refused(UNKNOWN_TOPIC_OR_PARTITION, "elect_leaders", topic=topic, partitions=[2], unclean=unclean)


@feature("reassign a partition")
def reassign(setting: Setting) -> None:
    topic, node = setting.make_topic(), node_id(setting.wire)
    setting.ask("reassign", topic=topic, partition=0, replicas=[node])
    assert partitions_of(setting.wire, topic) == {0: [node]}
    assert setting.ask("reassignments", topic=topic, partitions=[0]) == []
    assert setting.ask("reassignments") == []
    for code, partition, replicas in (
        (INVALID_REPLICA_ASSIGNMENT, 0, [node + 1]),
        (INVALID_REPLICA_ASSIGNMENT, 0, [node, node]),
        (NO_REASSIGNMENT_IN_PROGRESS, 0, None),
        (UNKNOWN_TOPIC_OR_PARTITION, 1, [node]),
    ):
        setting.refused(code, "reassign", topic=topic, partition=partition, replicas=replicas)
    assert partitions_of(setting.wire, topic) == {0: [node]}


@feature("describe access control lists: security is off")
def describe_acls(setting: Setting) -> None:
    setting.refused(SECURITY_DISABLED, "describe_acls")


@feature("create and delete access control lists: security is off")
def alter_acls(setting: Setting) -> None:
    setting.refused(SECURITY_DISABLED, "create_acl", topic=setting.topic_name())
    setting.refused(SECURITY_DISABLED, "delete_acls")


@feature("SCRAM credentials: there are none")
def scram(setting: Setting) -> None:
    assert setting.ask("scram_users") == []
    user = setting.topic_name()
    assert setting.ask("scram_error", user=user).startswith(
        f"Attempt to describe a user credential that does not exist: {user}"
    )
