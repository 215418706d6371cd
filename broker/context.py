"""What a handler knows of the request beside its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .security.acl import AclOperation, ResourceType, supported_operations

if TYPE_CHECKING:
    from .broker import Broker
    from .connection import Connection


class RequestContext:
    """One request's surroundings: who asks, over which connection, of which broker."""

    __slots__ = ("api_key", "api_version", "broker", "client_id", "connection", "request_size")

    def __init__(
        self,
        broker: Broker,
        connection: Connection,
        api_key: int,
        api_version: int,
        client_id: str | None,
        request_size: int,
    ) -> None:
        self.broker = broker
        self.connection = connection
        self.api_key = api_key
        self.api_version = api_version
        self.client_id = client_id
        self.request_size = request_size

    @property
    def principal(self) -> str:
        """Who the connection was authenticated as, `User:ANONYMOUS` on a listener without authentication."""
        return self.connection.principal

    @property
    def client_host(self) -> str:
        """The peer's IP address as text."""
        return self.connection.peer_host

    @property
    def listener(self) -> str:
        """The name of the listener that the client connected to."""
        return self.connection.listener.name

    def authorize(self, operation: AclOperation, resource_type: ResourceType, name: str) -> bool:
        """Tell whether the client may do `operation` on the resource."""
        connection = self.connection
        return self.broker.authorizer.authorize(
            connection.principal, connection.peer_host, operation, resource_type, name
        )

    def authorized_operations(self, resource_type: ResourceType, name: str) -> int:
        """Return the bit set of operations that the client may do on the resource (KIP-430)."""
        bits = 0
        for operation in supported_operations(resource_type):
            if self.authorize(operation, resource_type, name):
                bits |= 1 << operation
        return bits

    def advertised(self, node_id: int) -> tuple[str, int] | None:
        """Return the host and port at which this client reaches the node, None for a node this listener lacks."""
        return self.broker.advertised(node_id, self.connection)

    def acks0_error(self, reason: str) -> None:
        """Close the connection, the only way to tell a producer with acks=0 that its records were refused."""
        self.connection.close(reason)
