"""What is never written down: SASL tokens, passwords, the proofs of delegation tokens, and configs that hold any."""

from __future__ import annotations

import re
from typing import Any, Final

from protocol.messages.alter_configs import AlterConfigsRequest
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from protocol.schema import Message

SECRET_FIELDS: Final = frozenset(
    {
        ("SaslAuthenticateRequest", "auth_bytes"),
        ("SaslAuthenticateResponse", "auth_bytes"),
        ("ScramCredentialUpsertion", "salt"),
        ("ScramCredentialUpsertion", "salted_password"),
        ("CreateDelegationTokenResponse", "hmac"),
        ("RenewDelegationTokenRequest", "hmac"),
        ("ExpireDelegationTokenRequest", "hmac"),
        ("DescribedDelegationToken", "hmac"),
    }
)
"""Class and field of what is hidden wherever a message is shown."""

SECRET_API_KEYS: Final = frozenset({36, 38, 39, 40, 41, 51})
"""The APIs of those messages, of which not even the first bytes are shown."""

# As Kafka's properties of type PASSWORD, with the prefix of a listener too.
_SECRET_CONFIG: Final = re.compile(
    r"password|secret|credential|jaas\.config$|keystore\.key$|\.certificate", re.IGNORECASE
)


def is_secret_config(name: str) -> bool:
    """Tell whether a config of that name may hold a password or a key."""
    return _SECRET_CONFIG.search(name) is not None


def holds_secret(api_key: int, message: Any) -> bool:
    """Tell whether a message must not be written down whole."""
    if api_key in SECRET_API_KEYS:
        return True
    if api_key not in (AlterConfigsRequest.API_KEY, IncrementalAlterConfigsRequest.API_KEY):
        return False
    if isinstance(message, AlterConfigsRequest | IncrementalAlterConfigsRequest):
        return any(is_secret_config(config.name) for resource in message.resources for config in resource.configs)
    # A response names no value; what could not be decoded may be anything.
    return not isinstance(message, Message)
