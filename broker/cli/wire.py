"""`ottla wire`: a proxy that shows what clients and a broker say to each other."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..config import StartupError
from ..listeners import PORT_MAX
from .wire_options import add_log_options, log_options

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DEFAULT_HOST = "localhost"
EXIT_DIFFERENT = 1
EXIT_CANNOT_START = 2


def add_parser(commands: _SubParsersAction[Any]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "wire",
        help="show what clients and a broker say to each other",
        description="Stand between clients and a broker, any that speaks Kafka's protocol, and show each request and "
        "response as a line, until Ctrl-C or SIGTERM.",
        epilog="Every broker of the cluster gets a port of its own, the next one that is free.",
    )
    parser.add_argument(
        "--listen",
        metavar="[HOST:]PORT",
        type=_listen_address,
        help=f"where clients connect to (default host: {DEFAULT_HOST}); port 0 is a free one",
    )
    parser.add_argument("--to", metavar="HOST:PORT", type=_broker_address, help="a broker of the cluster")
    parser.add_argument(
        "--log", metavar="FILE", default="-", help="write the lines to a file, behind what it holds (default: stdout)"
    )
    add_log_options(parser, "")
    parser.set_defaults(run=run, parser=parser)
    replay = parser.add_subparsers(metavar="replay").add_parser(
        "replay",
        help="send a recording again and show what differs",
        description="Send the requests of a recording again, in the order and over as many connections as they came, "
        "and show how the responses differ. Ids, addresses and times may.",
    )
    replay.add_argument("file", metavar="FILE", help="what --format recording has written")
    replay.add_argument(
        "--to", metavar="HOST:PORT", type=_broker_address, required=True, help="the broker to send it to"
    )
    replay.set_defaults(run=run_replay)


def run(options: argparse.Namespace) -> int:
    """Run the proxy and return the exit code."""
    if options.listen is None or options.to is None:
        options.parser.error("--listen and --to are required")
    from ..wire.main import run as run_proxy

    try:
        return run_proxy(options.listen, options.to, log_options(options, options.log))
    except StartupError as error:
        sys.stderr.write(f"ottla wire: {error}\n")
        return EXIT_CANNOT_START


def run_replay(options: argparse.Namespace) -> int:
    """Replay a recording and return the exit code."""
    from ..wire.replay import ReplayError, replay

    try:
        is_alike = replay(options.file, options.to)
    except ReplayError as error:
        sys.stderr.write(f"ottla wire replay: {error}\n")
        return EXIT_CANNOT_START
    return 0 if is_alike else EXIT_DIFFERENT


def _listen_address(text: str) -> tuple[str, int]:
    return _address(text if ":" in text else f"{DEFAULT_HOST}:{text}")


def _broker_address(text: str) -> tuple[str, int]:
    host, port = _address(text)
    if not host or not port:
        raise argparse.ArgumentTypeError(f"{text!r} names no broker")
    return host, port


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) < 10 and int(port) <= PORT_MAX:
        return host.removeprefix("[").removesuffix("]"), int(port)
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, with a port between 0 and {PORT_MAX}")
