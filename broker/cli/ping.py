"""`ottla ping`: asks whether a broker answers, as a container's health check does every few seconds.

It says ApiVersions, which every broker answers whoever asks. All that would make it slow is left out: it imports
neither the codecs nor, unless it has to find out where the broker listens, the configuration.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ..listeners import Listener

DEFAULT_BOOTSTRAP = ("localhost", 9092)
DEFAULT_TIMEOUT_MS = 5000
EXIT_NO_ANSWER = 1
EXIT_USAGE = 2

_API_VERSIONS = 18
_CORRELATION_ID = 1
_CLIENT_ID = b"ottla-ping"
# ApiVersions in version 0, which has no body, behind its length.
_HEADER = struct.pack(">hhih", _API_VERSIONS, 0, _CORRELATION_ID, len(_CLIENT_ID)) + _CLIENT_ID
_REQUEST = struct.pack(">i", len(_HEADER)) + _HEADER
_RESPONSE_START = struct.Struct(">iihi")  # length, correlation id, error code, number of APIs
_NO_ERROR = 0


def add_parser(commands: _SubParsersAction[Any]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "ping",
        help="ask whether a broker answers",
        description="Ask a broker, any that speaks Kafka's protocol, which APIs it has; exit with 0 if it answers.",
    )
    parser.add_argument(
        "--bootstrap-server",
        metavar="HOST:PORT",
        type=_address,
        help="the broker (default: {}:{})".format(*DEFAULT_BOOTSTRAP),
    )
    parser.add_argument(
        "--timeout-ms",
        metavar="N",
        type=_positive,
        default=DEFAULT_TIMEOUT_MS,
        help=f"how long to wait for the answer (default: {DEFAULT_TIMEOUT_MS})",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        dest="files",
        help="ask the broker of this machine that `ottla serve` would run with the same file",
    )
    parser.add_argument("--from-env", action="store_true", help="the same of the environment")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Ask the broker and return the exit code."""
    host, port = options.bootstrap_server or DEFAULT_BOOTSTRAP
    if options.files or options.from_env:
        if options.bootstrap_server:
            options.parser.error("--bootstrap-server says already what --config and --from-env would")
        from ..config import StartupError
        from ..listeners import listeners_of
        from .serve import load_sources

        try:
            host, port = _reachable(listeners_of(load_sources(options, {}))[0])
        except StartupError as error:
            sys.stderr.write(f"ottla ping: {error}\n")
            return EXIT_USAGE
    broker = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    began = time.monotonic()
    try:
        count = _ask(host, port, options.timeout_ms / 1000)
    except (OSError, ValueError, ExceptionGroup) as error:
        sys.stderr.write(f"ottla ping: {broker} does not answer: {_reason(error)}.\n")
        return EXIT_NO_ANSWER
    elapsed_ms = (time.monotonic() - began) * 1000
    sys.stdout.write(f"{broker} answers, with {count} APIs, in {elapsed_ms:.0f} ms\n")
    return 0


def _reachable(listener: Listener) -> tuple[str, int]:
    """Return host and port at which this machine reaches its own listener."""
    return "localhost" if listener.is_on_every_address else listener.host, listener.port


def _ask(host: str, port: int, timeout_seconds: float) -> int:
    """Return how many APIs the broker says it has.

    Raises:
        OSError, ValueError: it does not say.
        ExceptionGroup: it cannot be reached, one OSError for each address.
    """
    deadline = time.monotonic() + timeout_seconds
    with socket.create_connection((host, port), timeout_seconds, all_errors=True) as sock:
        sock.sendall(_REQUEST)
        received = b""
        while len(received) < _RESPONSE_START.size:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = sock.recv(_RESPONSE_START.size - len(received))
            if not chunk:
                raise ValueError("it has closed the connection")
            received += chunk
    _, correlation_id, error_code, count = _RESPONSE_START.unpack(received)
    if (correlation_id, error_code) != (_CORRELATION_ID, _NO_ERROR):
        raise ValueError("it does not speak Kafka's protocol")
    return int(count)


def _reason(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        # The addresses of a name are tried in the order in which they are likely to work: the first one tells.
        return _reason(error.exceptions[0])
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host and port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 1 << 16:
        return host.removeprefix("[").removesuffix("]"), int(port)
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as localhost:9092 is")


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of milliseconds above 0")
