"""The APIs of cluster administration that one broker answers for itself, in any of their versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.records_over_the_wire import describe
from tests.support.under_test import foreign_address
from tests.support.wire import WireClient, milliseconds

METADATA_TOPIC = "__cluster_metadata"
UNKNOWN_BROKER_ID = 77_777
ANY_ACL = {
    "resource_type_filter": 1,
    "resource_name_filter": None,
    "pattern_type_filter": 1,
    "principal_filter": None,
    "host_filter": None,
    "operation": 1,
    "permission_type": 1,
}
ACL = {
    "resource_type": 2,
    "resource_name": "orders",
    "resource_pattern_type": 3,
    "principal": "User:somebody",
    "host": "*",
    "operation": 3,
    "permission_type": 3,
}


def describe_quorum(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(name: str) -> Any:
        answer = wire.ask(
            "DescribeQuorum", version, topics=[{"topic_name": name, "partitions": [{"partition_index": 0}]}]
        )
        assert answer.error_code == ErrorCode.none
        (described,) = answer.topics
        (partition,) = described.partitions
        assert (described.topic_name, partition.partition_index) == (name, 0)
        return answer, partition

    answer, partition = ask(METADATA_TOPIC)
    node_id = describe(wire).controller_id
    assert (partition.error_code, partition.leader_id, partition.observers) == (ErrorCode.none, node_id, ())
    assert partition.leader_epoch >= 0
    (voter,) = partition.current_voters
    assert voter.replica_id == node_id
    assert voter.log_end_offset >= partition.high_watermark > 0
    if version >= 1:
        assert voter.last_fetch_timestamp > 0
        assert voter.last_caught_up_timestamp > 0
    if version >= 2:
        assert (answer.error_message, partition.error_message, voter.replica_directory_id) == ("", "", None)
        (node,) = answer.nodes
        (listener,) = node.listeners
        assert (node.node_id, listener.host) == (node_id, wire.socket.getpeername()[0])
    answer, partition = ask(topic.name)
    assert partition.error_code == ErrorCode.unknown_topic_or_partition
    if version >= 2:
        assert answer.nodes == ()


def update_features(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    def ask(*updates: dict[str, Any]) -> Any:
        answer = wire.ask("UpdateFeatures", version, timeout_ms=10_000, feature_updates=list(updates))
        assert milliseconds(answer.throttle_time) == 0
        if version <= 1:
            assert answer.results == ()
        return answer

    assert ask().error_code == ErrorCode.none
    refused = ask({"feature": "no.such.feature", "max_version_level": 1, "allow_downgrade": False, "upgrade_type": 1})
    assert refused.error_code == ErrorCode.invalid_update_version
    assert "no.such.feature" in refused.error_message


def unregister_broker(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    unknown = wire.ask("UnregisterBroker", version, broker_id=UNKNOWN_BROKER_ID)
    assert milliseconds(unknown.throttle_time) == 0
    assert unknown.error_code == ErrorCode.broker_id_not_registered
    assert str(UNKNOWN_BROKER_ID) in unknown.error_message
    if foreign_address() is None:  # a Kafka would do it
        this = wire.ask("UnregisterBroker", version, broker_id=describe(wire).controller_id)
        assert this.error_code == ErrorCode.duplicate_broker_registration


def describe_acls(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    answer = wire.ask("DescribeAcls", version, **ANY_ACL)
    assert milliseconds(answer.throttle_time) == 0
    assert (answer.error_code, answer.resources) == (ErrorCode.security_disabled, ())
    assert answer.error_message == "No Authorizer is configured on the broker"


def create_acls(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    answer = wire.ask("CreateAcls", version, creations=[ACL, ACL])
    assert milliseconds(answer.throttle_time) == 0
    assert [(result.error_code, result.error_message) for result in answer.results] == [
        (ErrorCode.security_disabled, "No Authorizer is configured.")
    ] * 2


def delete_acls(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    answer = wire.ask("DeleteAcls", version, filters=[ANY_ACL, ANY_ACL])
    assert milliseconds(answer.throttle_time) == 0
    assert [(result.error_code, result.error_message, result.matching_acls) for result in answer.filter_results] == [
        (ErrorCode.security_disabled, "No Authorizer is configured.", ())
    ] * 2


def describe_client_quotas(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    def ask(entity_type: str, match_type: int, match: str | None) -> Any:
        component = {"entity_type": entity_type, "match_type": match_type, "match": match}
        answer = wire.ask("DescribeClientQuotas", version, components=[component], strict=False)
        assert milliseconds(answer.throttle_time) == 0
        return answer.error_code, answer.error_message, answer.entries

    assert ask("user", 0, "nobody-has-quotas") == (ErrorCode.none, "", ())
    assert ask("user", 3, None) == (ErrorCode.invalid_request, "Unknown match type 3", None)
    assert ask("group", 0, "g") == (ErrorCode.unsupported_version, "Unsupported entity type group", None)


def alter_client_quotas(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    def ask(name: str, value: float, *, remove: bool = False) -> tuple[ErrorCode, str | None]:
        answer = wire.ask(
            "AlterClientQuotas",
            version,
            entries=[
                {
                    "entity": [{"entity_type": "user", "entity_name": name}],
                    "ops": [{"key": "producer_byte_rate", "value": value, "remove": remove}],
                }
            ],
            validate_only=True,
        )
        assert milliseconds(answer.throttle_time) == 0
        (result,) = answer.entries
        assert [(each.entity_type, each.entity_name) for each in result.entity] == [("user", name)]
        return result.error_code, result.error_message

    assert ask("somebody", 0.0, remove=True) == (ErrorCode.none, None)
    assert ask("", 1.0) == (ErrorCode.invalid_request, "Empty user not supported")
    assert ask("somebody", 1.5) == (
        ErrorCode.invalid_request,
        "producer_byte_rate cannot be a fractional value.",
    )
    if foreign_address() is None:  # a Kafka would set it
        assert ask("somebody", 1.0)[0] == ErrorCode.policy_violation


def describe_user_scram_credentials(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    for users in (None, [], [{"name": "nobody"}]):
        answer = wire.ask("DescribeUserScramCredentials", version, users=users)
        assert milliseconds(answer.throttle_time) == 0
        assert (answer.error_code, answer.error_message) == (ErrorCode.none, "")
        expected = [("nobody", ErrorCode.resource_not_found, ())] if users else []
        assert [(each.user, each.error_code, each.credential_infos) for each in answer.results] == expected
