"""Hosts and ports in sentences for people."""

from __future__ import annotations

import os
import socket

Address = tuple[str, int]


def address_text(address: Address) -> str:
    """Return host and port as clients write them."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host or '0.0.0.0'}:{port}"


def reason_of(error: Exception) -> str:
    """Return why an address or a file cannot be used, in the words of the system."""
    if isinstance(error, UnicodeError):
        return "it is no domain name"
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)
