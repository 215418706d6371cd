"""AlterClientQuotas (key 49), versions 0-1: set and remove quotas (KIP-546).

Behaviour
- Each entity has its own error; broker.core.controller.client_quotas holds the rules. No quota is enforced, so what
  would set one is refused with POLICY_VIOLATION, which clients report with its message. Removing what is not there
  succeeds, as in Kafka.
- One of the names counts where an entity has two of the same type, the last one, as in Kafka. An entity that comes
  twice is refused whole.
- validate_only makes no difference: nothing is ever changed.
- It takes ALTER_CONFIGS on the cluster, else CLUSTER_AUTHORIZATION_FAILED for each entity.

Versions: 1 flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntityData,
    EntryData,
    RequestedEntryData,
)

from ..core.controller.client_quotas import QuotaChange, check_alteration, duplicate_entity
from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_Entity = dict[str, str | None]


def handle(ctx: RequestContext, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse:
    """Judge each entity."""
    allowed = ctx.authorize(AclOperation.ALTER_CONFIGS, ResourceType.CLUSTER, CLUSTER_NAME)
    results: dict[frozenset[tuple[str, str | None]], EntryData] = {}
    for entry in request.entries:
        entity: _Entity = {each.entity_type: each.entity_name for each in entry.entity}
        key = frozenset(entity.items())
        try:
            if not allowed:
                raise KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL)
            if key in results or _has_duplicates(entry):
                raise duplicate_entity(entity)
            check_alteration(entity, [QuotaChange(op.key, None if op.remove else op.value) for op in entry.ops])
        except KafkaError as error:
            results[key] = _result(entity, error.code, error.message)
        else:
            results[key] = _result(entity, ErrorCode.NONE, None)
    return AlterClientQuotasResponse(entries=list(results.values()))


def _has_duplicates(entry: RequestedEntryData) -> bool:
    return len({op.key for op in entry.ops}) < len(entry.ops)


def _result(entity: _Entity, code: ErrorCode, message: str | None) -> EntryData:
    data = [EntityData(entity_type=entity_type, entity_name=name) for entity_type, name in entity.items()]
    return EntryData(error_code=code, error_message=message, entity=data)
