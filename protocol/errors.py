"""Kafka's error codes, and the two exceptions that protocol code raises.

An `ErrorCode` travels inside a response; `KafkaError` carries one up to the handler that places it there;
`MalformedFrame` means that the bytes themselves make no sense, so that no response can be made and the connection is
closed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

RETRIABLE = True


class ErrorCode(IntEnum):
    """Every error code of Apache Kafka 4.3, named and numbered as there (`org.apache.kafka.common.protocol.Errors`).

    `retriable` tells whether a client tries again after refreshing its metadata or waiting a while.
    """

    retriable: bool

    if not TYPE_CHECKING:  # the checker would take the tuples below for the values of the members

        def __new__(cls, code: int, retriable: bool = False) -> ErrorCode:
            member = int.__new__(cls, code)
            member._value_ = code
            member.retriable = retriable
            return member

    UNKNOWN_SERVER_ERROR = -1
    """Something went wrong in the broker that no other code describes."""
    NONE = 0
    """No error."""
    OFFSET_OUT_OF_RANGE = 1
    """The offset lies outside what the partition's log holds."""
    CORRUPT_MESSAGE = 2, RETRIABLE
    """The batch fails its CRC, has an impossible size, or lacks a key that a compacted topic needs."""
    UNKNOWN_TOPIC_OR_PARTITION = 3, RETRIABLE
    """This broker does not know the topic or the partition."""
    INVALID_FETCH_SIZE = 4
    """The requested fetch size makes no sense."""
    LEADER_NOT_AVAILABLE = 5, RETRIABLE
    """The partition has no leader at the moment."""
    NOT_LEADER_OR_FOLLOWER = 6, RETRIABLE
    """This broker does not lead the partition, or, where any replica would do, holds none of it."""
    REQUEST_TIMED_OUT = 7, RETRIABLE
    """The request was not finished within its own time limit."""
    BROKER_NOT_AVAILABLE = 8
    """The broker is not available."""
    REPLICA_NOT_AVAILABLE = 9, RETRIABLE
    """The replica is not available for the partition."""
    MESSAGE_TOO_LARGE = 10
    """The batch is larger than the topic's max.message.bytes."""
    STALE_CONTROLLER_EPOCH = 11
    """The controller has moved to another broker."""
    OFFSET_METADATA_TOO_LARGE = 12
    """The metadata string of an offset commit is too long."""
    NETWORK_EXCEPTION = 13, RETRIABLE
    """The connection broke before a response came (clients' own use)."""
    COORDINATOR_LOAD_IN_PROGRESS = 14, RETRIABLE
    """The coordinator still loads its partition."""
    COORDINATOR_NOT_AVAILABLE = 15, RETRIABLE
    """There is no coordinator at the moment."""
    NOT_COORDINATOR = 16, RETRIABLE
    """Another broker coordinates this group or transactional id."""
    INVALID_TOPIC_EXCEPTION = 17
    """The topic's name is illegal, or the operation is not allowed on this topic."""
    RECORD_LIST_TOO_LARGE = 18
    """The batch is larger than a segment of the partition's log."""
    NOT_ENOUGH_REPLICAS = 19, RETRIABLE
    """Fewer replicas are in sync than min.insync.replicas; nothing was written."""
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, RETRIABLE
    """Fewer replicas are in sync than min.insync.replicas, seen only after the write."""
    INVALID_REQUIRED_ACKS = 21
    """acks is none of -1, 0 and 1."""
    ILLEGAL_GENERATION = 22
    """The generation is not the group's current one."""
    INCONSISTENT_GROUP_PROTOCOL = 23
    """The member shares no protocol with the group's other members, or names none."""
    INVALID_GROUP_ID = 24
    """The group id is illegal."""
    UNKNOWN_MEMBER_ID = 25
    """The group has no such member."""
    INVALID_SESSION_TIMEOUT = 26
    """The session timeout lies outside group.min.session.timeout.ms and group.max.session.timeout.ms."""
    REBALANCE_IN_PROGRESS = 27
    """The group rebalances; the member has to join again."""
    INVALID_COMMIT_OFFSET_SIZE = 28
    """The offset commit is too large to be stored."""
    TOPIC_AUTHORIZATION_FAILED = 29
    """The principal may not do this to the topic."""
    GROUP_AUTHORIZATION_FAILED = 30
    """The principal may not do this to the group."""
    CLUSTER_AUTHORIZATION_FAILED = 31
    """The principal may not do this to the cluster."""
    INVALID_TIMESTAMP = 32
    """A record's timestamp is further from now than the topic allows."""
    UNSUPPORTED_SASL_MECHANISM = 33
    """The SASL mechanism is not enabled."""
    ILLEGAL_SASL_STATE = 34
    """The request does not fit the connection's present SASL state."""
    UNSUPPORTED_VERSION = 35
    """The API, its version, or a feature of it is not supported."""
    TOPIC_ALREADY_EXISTS = 36
    """A topic of this name exists."""
    INVALID_PARTITIONS = 37
    """The number of partitions is illegal."""
    INVALID_REPLICATION_FACTOR = 38
    """The replication factor is below 1 or above the number of brokers."""
    INVALID_REPLICA_ASSIGNMENT = 39
    """The manual assignment of replicas is illegal."""
    INVALID_CONFIG = 40
    """A config's name or value is illegal."""
    NOT_CONTROLLER = 41, RETRIABLE
    """This broker is not the controller."""
    INVALID_REQUEST = 42
    """The request can be read but contradicts itself or the protocol."""
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    """The topic's record format does not support the request."""
    POLICY_VIOLATION = 44
    """A policy of the cluster forbids it."""
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    """The batch does not continue the producer's sequence."""
    DUPLICATE_SEQUENCE_NUMBER = 46
    """The batch's sequence number was seen before."""
    INVALID_PRODUCER_EPOCH = 47
    """The producer's epoch is older than one already seen."""
    INVALID_TXN_STATE = 48
    """The transaction's state does not allow the operation."""
    INVALID_PRODUCER_ID_MAPPING = 49
    """The producer id does not belong to the transactional id."""
    INVALID_TRANSACTION_TIMEOUT = 50
    """The transaction timeout is above transaction.max.timeout.ms."""
    CONCURRENT_TRANSACTIONS = 51, RETRIABLE
    """Another operation on the same transaction is still going on."""
    TRANSACTION_COORDINATOR_FENCED = 52
    """The transaction coordinator that writes the marker has been replaced."""
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    """The principal may not use the transactional id."""
    SECURITY_DISABLED = 54
    """No authorizer is configured."""
    OPERATION_NOT_ATTEMPTED = 55
    """Another operation of the same request failed first."""
    KAFKA_STORAGE_ERROR = 56, RETRIABLE
    """The partition's log directory has failed."""
    LOG_DIR_NOT_FOUND = 57
    """The broker has no such log directory."""
    SASL_AUTHENTICATION_FAILED = 58
    """The credentials are wrong."""
    UNKNOWN_PRODUCER_ID = 59
    """The broker remembers nothing of this producer id."""
    REASSIGNMENT_IN_PROGRESS = 60
    """The partition is being reassigned."""
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    """Delegation tokens are not enabled."""
    DELEGATION_TOKEN_NOT_FOUND = 62
    """There is no such delegation token."""
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    """The principal is neither owner nor renewer of the token."""
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    """Tokens are not given out on this kind of connection."""
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    """The principal may not do this with the token."""
    DELEGATION_TOKEN_EXPIRED = 66
    """The token has expired."""
    INVALID_PRINCIPAL_TYPE = 67
    """The principal type is not supported."""
    NON_EMPTY_GROUP = 68
    """The group still has members."""
    GROUP_ID_NOT_FOUND = 69
    """There is no such group."""
    FETCH_SESSION_ID_NOT_FOUND = 70, RETRIABLE
    """There is no such fetch session (KIP-227)."""
    INVALID_FETCH_SESSION_EPOCH = 71, RETRIABLE
    """The fetch session expects another epoch (KIP-227)."""
    LISTENER_NOT_FOUND = 72, RETRIABLE
    """The leader has no listener of the name on which the metadata was asked for."""
    TOPIC_DELETION_DISABLED = 73
    """delete.topic.enable is false."""
    FENCED_LEADER_EPOCH = 74, RETRIABLE
    """The client's leader epoch is older than the broker's (KIP-320)."""
    UNKNOWN_LEADER_EPOCH = 75, RETRIABLE
    """The client's leader epoch is newer than the broker's (KIP-320)."""
    UNSUPPORTED_COMPRESSION_TYPE = 76
    """The client's version cannot read, or may not write, this compression type."""
    STALE_BROKER_EPOCH = 77
    """The broker has registered again since."""
    OFFSET_NOT_AVAILABLE = 78, RETRIABLE
    """A new leader does not yet know how far its log is committed (KIP-207)."""
    MEMBER_ID_REQUIRED = 79
    """The member has to join again with the member id it is given here (KIP-394)."""
    PREFERRED_LEADER_NOT_AVAILABLE = 80, RETRIABLE
    """The preferred leader is not available."""
    GROUP_MAX_SIZE_REACHED = 81
    """The group has group.max.size members."""
    FENCED_INSTANCE_ID = 82
    """Another member has taken over the group.instance.id (KIP-345)."""
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, RETRIABLE
    """No replica may become leader."""
    ELECTION_NOT_NEEDED = 84, RETRIABLE
    """The partition has the leader that it should have."""
    NO_REASSIGNMENT_IN_PROGRESS = 85
    """The partition is not being reassigned."""
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    """Offsets cannot be deleted while the group is subscribed to their topic."""
    INVALID_RECORD = 87
    """A record breaks a rule of the broker or of its topic."""
    UNSTABLE_OFFSET_COMMIT = 88, RETRIABLE
    """A transaction that commits these offsets is still open (KIP-447)."""
    THROTTLING_QUOTA_EXCEEDED = 89, RETRIABLE
    """The quota for changes is used up (KIP-599)."""
    PRODUCER_FENCED = 90
    """A newer producer uses the same transactional id."""
    RESOURCE_NOT_FOUND = 91
    """The request names something that does not exist."""
    DUPLICATE_RESOURCE = 92
    """The request names the same thing twice."""
    UNACCEPTABLE_CREDENTIAL = 93
    """The credential would be too weak."""
    INCONSISTENT_VOTER_SET = 94
    """Sender or receiver is not among the expected voters."""
    INVALID_UPDATE_VERSION = 95
    """The version of the update is wrong."""
    FEATURE_UPDATE_FAILED = 96
    """The finalized features could not be updated."""
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    """A forwarded principal cannot be read."""
    SNAPSHOT_NOT_FOUND = 98
    """There is no such snapshot."""
    POSITION_OUT_OF_RANGE = 99
    """The position lies outside the snapshot."""
    UNKNOWN_TOPIC_ID = 100, RETRIABLE
    """This broker does not know the topic id (KIP-516)."""
    DUPLICATE_BROKER_REGISTRATION = 101
    """A live broker uses this id."""
    BROKER_ID_NOT_REGISTERED = 102
    """No broker of this id is registered."""
    INCONSISTENT_TOPIC_ID = 103, RETRIABLE
    """The log belongs to another topic id (KIP-516)."""
    INCONSISTENT_CLUSTER_ID = 104
    """The request is meant for another cluster."""
    TRANSACTIONAL_ID_NOT_FOUND = 105
    """There is no such transactional id."""
    FETCH_SESSION_TOPIC_ID_ERROR = 106, RETRIABLE
    """The fetch session mixes topic names and topic ids (KIP-516)."""
    INELIGIBLE_REPLICA = 107
    """The new ISR holds a replica that may not join it."""
    NEW_LEADER_ELECTED = 108
    """The ISR was changed, but the partition has a new leader."""
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    """The offset lies in tiered storage (KIP-405)."""
    FENCED_MEMBER_EPOCH = 110
    """The member has to give up its partitions and join again (KIP-848)."""
    UNRELEASED_INSTANCE_ID = 111
    """Another member still uses the instance id (KIP-848)."""
    UNSUPPORTED_ASSIGNOR = 112
    """The group does not support the assignor (KIP-848)."""
    STALE_MEMBER_EPOCH = 113
    """The member has to learn its new epoch by a heartbeat, then retry (KIP-848)."""
    MISMATCHED_ENDPOINT_TYPE = 114
    """The request came to a broker where it wanted a controller, or the reverse (KIP-919)."""
    UNSUPPORTED_ENDPOINT_TYPE = 115
    """This kind of endpoint is not supported (KIP-919)."""
    UNKNOWN_CONTROLLER_ID = 116
    """There is no such controller."""
    UNKNOWN_SUBSCRIPTION_ID = 117
    """The telemetry subscription is out of date (KIP-714)."""
    TELEMETRY_TOO_LARGE = 118
    """The pushed telemetry is too large (KIP-714)."""
    INVALID_REGISTRATION = 119
    """The broker's registration is not valid."""
    TRANSACTION_ABORTABLE = 120
    """The transaction has to be aborted; the transactional id stays usable (KIP-890)."""
    INVALID_RECORD_STATE = 121
    """The record is in no state in which it can be acknowledged (KIP-932)."""
    SHARE_SESSION_NOT_FOUND = 122, RETRIABLE
    """There is no such share session (KIP-932)."""
    INVALID_SHARE_SESSION_EPOCH = 123, RETRIABLE
    """The share session expects another epoch (KIP-932)."""
    FENCED_STATE_EPOCH = 124
    """The share group's state has another epoch (KIP-932)."""
    INVALID_VOTER_KEY = 125
    """The voter's key is not that of the replica (KIP-853)."""
    DUPLICATE_VOTER = 126
    """The voter is in the set already (KIP-853)."""
    VOTER_NOT_FOUND = 127
    """The voter is not in the set (KIP-853)."""
    INVALID_REGULAR_EXPRESSION = 128
    """The subscription's regular expression is not valid (KIP-848)."""
    REBOOTSTRAP_REQUIRED = 129
    """The client's metadata is useless, it has to start from its bootstrap servers (KIP-1102)."""
    STREAMS_INVALID_TOPOLOGY = 130
    """The streams topology is not valid (KIP-1071)."""
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131
    """The epoch of the streams topology is not valid (KIP-1071)."""
    STREAMS_TOPOLOGY_FENCED = 132
    """The epoch of the streams topology is out of date (KIP-1071)."""
    SHARE_SESSION_LIMIT_REACHED = 133, RETRIABLE
    """The broker holds as many share sessions as it may (KIP-932)."""


class KafkaError(Exception):
    """An error for the client: a handler places `code`, and `message` where the response has room for one."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}" if self.message else self.code.name


class MalformedFrame(Exception):
    """Bytes that are no valid frame, message or batch: the only exception that decoding raises."""
