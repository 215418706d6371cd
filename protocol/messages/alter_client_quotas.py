"""AlterClientQuotas (API key 49): set and remove quotas (KIP-546).

v1: flexible.
"""

from __future__ import annotations

from ..schema import Message, Struct, array, boolean, float64, int16, int32, string


class EntityData(Struct):
    entity_type: str = string()
    entity_name: str | None = string(nullable="0+")
    """Null for the default one."""


class OpData(Struct):
    key: str = string()
    value: float = float64()
    remove: bool = boolean()


class RequestedEntryData(Struct):
    entity: list[EntityData] = array(EntityData)
    ops: list[OpData] = array(OpData)


class AlterClientQuotasRequest(Message, api_key=49, versions="0-1", flexible="1+"):
    entries: list[RequestedEntryData] = array(RequestedEntryData)
    validate_only: bool = boolean()


class EntryData(Struct):
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    entity: list[EntityData] = array(EntityData)


class AlterClientQuotasResponse(Message, api_key=49, versions="0-1", flexible="1+"):
    throttle_time_ms: int = int32(default=0)
    entries: list[EntryData] = array(EntryData)
