"""`ottla serve`: from the command line to a running broker."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..config import Config, StartupError
from ..listeners import PORT_MAX
from .wire_options import add_log_options, given_options, log_options

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ..wire.wire_log import WireLogOptions

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 9092
DEFAULT_DATA_DIRECTORY = "./ottla-data"
EXIT_CANNOT_START = 2


def add_parser(commands: _SubParsersAction[Any]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run a broker",
        description="Run a broker until Ctrl-C or SIGTERM.",
        epilog="Properties have Kafka's names; what --set gives holds over the file.",
    )
    parser.add_argument("--host", metavar="H", help=f"address to listen on (default: {DEFAULT_HOST})")
    parser.add_argument(
        "--port", metavar="N", type=_port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--data-dir",
        metavar="DIR",
        default=DEFAULT_DATA_DIRECTORY,
        help=f"directory of metadata and logs, made if missing (default: {DEFAULT_DATA_DIRECTORY})",
    )
    place.add_argument(
        "--ephemeral", action="store_true", help="keep the data in a directory that is removed at the end"
    )
    parser.add_argument("--config", metavar="FILE", help="read properties from a .properties or .toml file")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        dest="settings",
        help="set a property; may be repeated",
    )
    parser.add_argument(
        "--wire-log", metavar="FILE", help="write each request and response to a file, `-` for stdout, as a line"
    )
    add_log_options(parser, "wire-")
    parser.add_argument("--list-config", action="store_true", help="print every property and end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve, or print the properties, and return the exit code."""
    if options.list_config:
        from .list_config import list_config

        sys.stdout.write(list_config())
        return 0
    try:
        config = _load(options.config, options.settings, options.host, options.port)
        if not options.data_dir:
            raise StartupError("--data-dir names no directory; leave it out for ./ottla-data.")
        if options.ephemeral and config.log_dirs:
            raise StartupError("--ephemeral removes its data at the end, so log.dirs cannot be given with it.")
        wire_log = _wire_log(options)
        from ..main import run as run_broker

        return run_broker(config, options.data_dir, options.ephemeral, options.started_ms, wire_log)
    except StartupError as error:
        sys.stderr.write(f"ottla serve: {error}\n")
        return EXIT_CANNOT_START


def _load(file: str | None, assignments: Sequence[tuple[str, str]], host: str | None, port: int | None) -> Config:
    """Return the configuration, with --host and --port as the only listener if either is given."""
    settings = dict(assignments)
    config = Config.load(file, settings)
    if host is None and port is None:
        return config
    if config.given("listeners"):
        option = "--host" if port is None else "--port"
        raise StartupError(f"{option} and the property listeners are both given, but only one can say where to listen.")
    host = DEFAULT_HOST if host is None else host
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    settings["listeners"] = f"PLAINTEXT://{bracketed}:{DEFAULT_PORT if port is None else port}"
    return Config.load(file, settings)


def _wire_log(options: argparse.Namespace) -> WireLogOptions | None:
    """Return what shall be logged of requests; raises StartupError for an option that has no effect."""
    if options.wire_log is not None:
        return log_options(options, options.wire_log)
    if given := given_options(options):
        raise StartupError(f"--wire-{given[0]} says what --wire-log shows, which is not given.")
    return None


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= PORT_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port between 0 and {PORT_MAX}")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value
