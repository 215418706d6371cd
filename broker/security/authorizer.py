"""Who may do what: the question every handler asks."""

from __future__ import annotations

from typing import Protocol

from .acl import AclOperation, ResourceType


class Authorizer(Protocol):
    """Answers from memory, at once: it is asked on the hot path."""

    def authorize(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType, name: str
    ) -> bool:
        """Tell whether the principal (`User:name`), coming from that address, may do it to the named resource."""

    def authorize_by_resource_type(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        """Tell whether there may be any resource of the type to which it may do it (KIP-679)."""


class AllowAll:
    """Everybody may do everything: a broker without an authorizer."""

    def authorize(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType, name: str
    ) -> bool:
        """Yes."""
        return True

    def authorize_by_resource_type(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        """Yes."""
        return True
