"""Departures in what is said of the cluster, its quotas and its rights."""

from __future__ import annotations

from typing import Final

from protocol.errors import ErrorCode

from .conditions import asks, both, codes, kafka_closes, kafka_says, ottla_lacks, under
from .departure import HANDLERS, Departure

CLUSTER: Final = (
    Departure(
        "no features",
        ("ApiVersions",),
        lambda exchange, difference: any("features" in field for field in difference.fields[:1]),
        f"{HANDLERS}/api_versions.py",
        "Omitted: features. None is reported",
        "A client takes a feature as a promise.",
    ),
    Departure(
        "not served",
        ("ApiVersions",),
        both(under("api_keys"), ottla_lacks),
        f"{HANDLERS}/api_versions.py",
        "Lists the registry",
        "Transactions, share groups and the like are still to come.",
    ),
    Departure(
        "the quorum is the broker that was asked",
        ("DescribeQuorum",),
        under("nodes", "listeners"),
        f"{HANDLERS}/describe_quorum.py",
        "The quorum is the broker that was asked",
        "There is no controller with a listener of its own.",
    ),
    Departure(
        "no quotas",
        ("AlterClientQuotas",),
        both(codes(0, ErrorCode.POLICY_VIOLATION), asks("ops", lambda ops: any(not op.get("remove") for op in ops))),
        f"{HANDLERS}/alter_client_quotas.py",
        "No quota is enforced, so what would set one is refused with POLICY_VIOLATION",
        "A quota that is taken and not enforced deceives whoever relies on it.",
        ends=lambda exchange: not exchange.step.fields.get("validate_only"),
    ),
    Departure(
        "hosts are not looked up",
        ("AlterClientQuotas",),
        kafka_says("is not a valid IP or resolvable host"),
        "broker/core/controller/client_quotas.py",
        "A name where an IP address belongs is not resolved",
        "Asking a name server would hold up everybody else.",
    ),
    Departure(
        "codes of ACLs are not looked at",
        ("DescribeAcls", "CreateAcls", "DeleteAcls"),
        kafka_closes,
        f"{HANDLERS}/describe_acls.py",
        'at code 0, "unknown", Kafka closes the connection',
        "There is no authorizer whom they would be for; a code is a better answer than none.",
    ),
)
