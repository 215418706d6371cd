"""Client quotas: which questions about them make sense, and why none can be set (KIP-546).

Pure. Codes and messages are those of Kafka, but for the last of `check_alteration`: no quota is enforced, so none is
kept. A name where an IP address belongs is not resolved, which would take a while, only checked for its form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError

USER = "user"
CLIENT_ID = "client-id"
IP = "ip"

EXACT = 0
DEFAULT = 1
SPECIFIED = 2

_LONG_MAX = (1 << 63) - 1
_INT_MAX = (1 << 31) - 1
# By key: the largest value where it must be a whole number.
_USER_QUOTAS: dict[str, float | None] = {
    "producer_byte_rate": _LONG_MAX,
    "consumer_byte_rate": _LONG_MAX,
    "request_percentage": None,
    "controller_mutation_rate": None,
}
_IP_QUOTAS: dict[str, float | None] = {"connection_creation_rate": _INT_MAX}
_FRACTION_MAX = 1e-6
_HOST = re.compile(r"[A-Za-z0-9.:%_-]+")


class FilterComponent(NamedTuple):
    """What a filter wants of one type of entity; `match` belongs to EXACT alone."""

    entity_type: str
    match_type: int
    match: str | None


class QuotaChange(NamedTuple):
    """A quota to be set; None removes it."""

    key: str
    value: float | None


def check_filter(components: Iterable[FilterComponent]) -> None:
    """Raise KafkaError for a filter that makes no sense: INVALID_REQUEST, or UNSUPPORTED_VERSION for unknown types."""
    seen: set[str] = set()
    for component in components:
        _check_component(component, seen)
        seen.add(component.entity_type)
    if IP in seen and seen & {USER, CLIENT_ID}:
        raise _invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId "
            "filter component."
        )


def _check_component(component: FilterComponent, seen: set[str]) -> None:
    entity_type, match_type, match = component
    if not entity_type:
        raise _invalid("Invalid empty entity type.")
    if entity_type in seen:
        raise _invalid(f"Entity type {entity_type} cannot appear more than once in the filter.")
    if entity_type not in (USER, CLIENT_ID, IP):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"Unsupported entity type {entity_type}")
    if match_type == EXACT:
        if match is None:
            raise _invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")
    elif match_type not in (DEFAULT, SPECIFIED):
        raise _invalid(f"Unknown match type {match_type}")
    elif match is not None:
        name = "MATCH_TYPE_DEFAULT" if match_type == DEFAULT else "MATCH_TYPE_SPECIFIED"
        raise _invalid(f"Request specified {name}, but also specified a match string.")


def check_alteration(entity: Mapping[str, str | None], changes: Sequence[QuotaChange]) -> None:
    """Raise KafkaError for an entity or a quota that cannot be, and POLICY_VIOLATION for one that would be set.

    What is to be removed is not there in any case, whatever its key, so that passes.
    """
    quotas = _quotas_of(entity)
    for key, value in changes:
        if value is not None:
            _check_value(quotas, key, value)
    if any(value is not None for _, value in changes):
        raise KafkaError(
            ErrorCode.POLICY_VIOLATION, "Client quotas are not enforced by this broker yet, so none can be set."
        )


def duplicate_entity(entity: Mapping[str, str | None]) -> KafkaError:
    """What to say of an entity that comes twice in a request, or one quota of it."""
    entries = ", ".join(f"{key}={'null' if name is None else name}" for key, name in entity.items())
    return _invalid(f"Ignoring duplicate entity ClientQuotaEntity(entries={{{entries}}})")


def _quotas_of(entity: Mapping[str, str | None]) -> Mapping[str, float | None]:
    """The quotas that an entity may have, and their largest values."""
    for entity_type, name in entity.items():
        if entity_type not in (USER, CLIENT_ID, IP):
            raise _invalid(f"Unhandled client quota entity type: {entity_type}")
        if name == "":
            raise _invalid(f"Empty {entity_type} not supported")
    if not entity:
        raise _invalid("Invalid empty client quota entity")
    if IP not in entity:
        return _USER_QUOTAS
    if len(entity) > 1:
        raise _invalid("Invalid quota entity combination, IP entity should not be combined with User or ClientId")
    host = entity[IP]
    if host is not None and _HOST.fullmatch(host) is None:
        raise _invalid(f"{host} is not a valid IP or resolvable host.")
    return _IP_QUOTAS


def _check_value(quotas: Mapping[str, float | None], key: str, value: float) -> None:
    if key not in quotas:
        raise _invalid(f"Invalid configuration key {key}")
    if value <= 0:
        raise _invalid(f"Quota {key} must be greater than 0")
    value_max = quotas[key]
    if value_max is None:
        return
    if value > value_max:
        type_name = "a LONG" if value_max == _LONG_MAX else "an INT"
        raise _invalid(f"Proposed value for {key} is too large for {type_name}.")
    if math.fmod(value, 1.0) > _FRACTION_MAX:
        raise _invalid(f"{key} cannot be a fractional value.")


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
