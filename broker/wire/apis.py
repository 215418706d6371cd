"""Kafka's APIs by key: what each is called, and how its messages are declared here, if they are.

A message that is declared is decoded, served by this broker or not; the rest is passed on and shown undecoded.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from importlib.util import find_spec
from typing import Final, NamedTuple

from protocol.schema import Message

API_NAMES: Final = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    4: "LeaderAndIsr",
    5: "StopReplica",
    6: "UpdateMetadata",
    7: "ControlledShutdown",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    15: "DescribeGroups",
    16: "ListGroups",
    17: "SaslHandshake",
    18: "ApiVersions",
    19: "CreateTopics",
    20: "DeleteTopics",
    21: "DeleteRecords",
    22: "InitProducerId",
    23: "OffsetForLeaderEpoch",
    24: "AddPartitionsToTxn",
    25: "AddOffsetsToTxn",
    26: "EndTxn",
    27: "WriteTxnMarkers",
    28: "TxnOffsetCommit",
    29: "DescribeAcls",
    30: "CreateAcls",
    31: "DeleteAcls",
    32: "DescribeConfigs",
    33: "AlterConfigs",
    34: "AlterReplicaLogDirs",
    35: "DescribeLogDirs",
    36: "SaslAuthenticate",
    37: "CreatePartitions",
    38: "CreateDelegationToken",
    39: "RenewDelegationToken",
    40: "ExpireDelegationToken",
    41: "DescribeDelegationToken",
    42: "DeleteGroups",
    43: "ElectLeaders",
    44: "IncrementalAlterConfigs",
    45: "AlterPartitionReassignments",
    46: "ListPartitionReassignments",
    47: "OffsetDelete",
    48: "DescribeClientQuotas",
    49: "AlterClientQuotas",
    50: "DescribeUserScramCredentials",
    51: "AlterUserScramCredentials",
    52: "Vote",
    53: "BeginQuorumEpoch",
    54: "EndQuorumEpoch",
    55: "DescribeQuorum",
    56: "AlterPartition",
    57: "UpdateFeatures",
    58: "Envelope",
    59: "FetchSnapshot",
    60: "DescribeCluster",
    61: "DescribeProducers",
    62: "BrokerRegistration",
    63: "BrokerHeartbeat",
    64: "UnregisterBroker",
    65: "DescribeTransactions",
    66: "ListTransactions",
    67: "AllocateProducerIds",
    68: "ConsumerGroupHeartbeat",
    69: "ConsumerGroupDescribe",
    70: "ControllerRegistration",
    71: "GetTelemetrySubscriptions",
    72: "PushTelemetry",
    73: "AssignReplicasToDirs",
    74: "ListConfigResources",
    75: "DescribeTopicPartitions",
    76: "ShareGroupHeartbeat",
    77: "ShareGroupDescribe",
    78: "ShareFetch",
    79: "ShareAcknowledge",
    80: "AddRaftVoter",
    81: "RemoveRaftVoter",
    82: "UpdateRaftVoter",
    83: "InitializeShareGroupState",
    84: "ReadShareGroupState",
    85: "WriteShareGroupState",
    86: "DeleteShareGroupState",
    87: "ReadShareGroupStateSummary",
    88: "StreamsGroupHeartbeat",
    89: "StreamsGroupDescribe",
    90: "DescribeShareGroupOffsets",
    91: "AlterShareGroupOffsets",
    92: "DeleteShareGroupOffsets",
}
"""Every API that a Kafka has had up to 4.3, those between its own nodes too."""

_KEY: Final = re.compile(r"(?:Api)?([0-9]{1,5})")

PRODUCE, FETCH, METADATA, FIND_COORDINATOR = 0, 1, 3, 10
API_VERSIONS, DESCRIBE_CLUSTER, SHARE_FETCH, SHARE_ACKNOWLEDGE = 18, 60, 78, 79


class MessagePair(NamedTuple):
    """The declarations of an API's messages."""

    request: type[Message]
    response: type[Message]


def api_name(key: int) -> str:
    """Return the name of an API, `Api123` for one that no Kafka has had."""
    return API_NAMES.get(key, f"Api{key}")


def api_key(text: str) -> int:
    """Return the key of an API given by its name, in any case, or by its key. Raises ValueError."""
    if match := _KEY.fullmatch(text):
        return int(match[1])
    for key, name in API_NAMES.items():
        if name.lower() == text.lower():
            return key
    raise ValueError(f"there is no API {text!r}, but there is Metadata, Fetch, JoinGroup, and so on")


@cache
def messages_of(key: int) -> MessagePair | None:
    """Return the declarations of an API's messages, None where there are none."""
    name = API_NAMES.get(key)
    if name is None:
        return None
    module_name = f"protocol.messages.{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}"
    if find_spec(module_name) is None:
        return None
    module = importlib.import_module(module_name)
    return MessagePair(getattr(module, f"{name}Request"), getattr(module, f"{name}Response"))
