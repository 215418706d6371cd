"""`ottla serve`: from the command line to a running broker."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
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
METADATA_DIRECTORY_NAME = "ottla-metadata"
EXIT_CANNOT_START = 2


def add_parser(commands: _SubParsersAction[Any]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run a broker",
        description="Run a broker until Ctrl-C or SIGTERM.",
        epilog="Properties have Kafka's names; what --set gives holds over the environment, and that over the file.",
    )
    parser.add_argument("--host", metavar="H", help=f"address to listen on (default: {DEFAULT_HOST})")
    parser.add_argument(
        "--port", metavar="N", type=_port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--data-dir",
        metavar="DIR",
        help="directory of metadata and logs, made if missing (default: one in metadata.log.dir or the first of "
        f"log.dirs, or without these {DEFAULT_DATA_DIRECTORY})",
    )
    place.add_argument(
        "--ephemeral", action="store_true", help="keep the data in a directory that is removed at the end"
    )
    add_source_options(parser)
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
    parser.set_defaults(run=run, parser=parser)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where properties are read from."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        dest="files",
        help="read properties from a .properties or .toml file; may be repeated, the last one holding",
    )
    parser.add_argument(
        "--from-env",
        action="store_true",
        help="read properties from the environment as the images of Kafka do, KAFKA_LOG_RETENTION_MS and so on",
    )


def run(options: argparse.Namespace) -> int:
    """Serve, or print the properties, and return the exit code."""
    if options.list_config:
        from .list_config import list_config

        sys.stdout.write(list_config())
        return 0
    try:
        config = _load(options)
        if options.data_dir == "":
            raise StartupError("--data-dir names no directory; leave it out for ./ottla-data.")
        if options.ephemeral and config.log_dirs:
            raise StartupError("--ephemeral removes its data at the end, so log.dirs cannot be given with it.")
        wire_log = _wire_log(options)
        from ..main import run as run_broker

        data_dir = _data_directory(config) if options.data_dir is None else options.data_dir
        return run_broker(config, data_dir, options.ephemeral, options.started_ms, wire_log)
    except StartupError as error:
        sys.stderr.write(f"ottla serve: {error}\n")
        return EXIT_CANNOT_START


def load_sources(options: argparse.Namespace, settings: Mapping[str, str]) -> Config:
    """Return the configuration of those sources that the options name, and of settings over them."""
    return Config.load(options.files, os.environ if options.from_env else None, settings)


def _load(options: argparse.Namespace) -> Config:
    """Return the configuration, with --host and --port as the only listener if either is given."""
    settings = dict(options.settings)
    config = load_sources(options, settings)
    host, port = options.host, options.port
    if host is None and port is None:
        return config
    if config.given("listeners"):
        option = "--host" if port is None else "--port"
        raise StartupError(
            f"{option} says where to listen, and so does the property listeners ({config.place('listeners')}); "
            "leave out one of them."
        )
    host = DEFAULT_HOST if host is None else _host(host)
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    settings["listeners"] = f"PLAINTEXT://{bracketed}:{DEFAULT_PORT if port is None else port}"
    return load_sources(options, settings)


def _data_directory(config: Config) -> str:
    """Return the data directory where no option names it: beside the logs, as Kafka's metadata."""
    place = config.optional_str("metadata.log.dir") or next(iter(config.log_dirs), None)
    return DEFAULT_DATA_DIRECTORY if place is None else os.path.join(place, METADATA_DIRECTORY_NAME)


def _wire_log(options: argparse.Namespace) -> WireLogOptions | None:
    """Return what shall be logged of requests; raises StartupError for an option that has no effect."""
    if options.wire_log is not None:
        return log_options(options, options.wire_log)
    if given := given_options(options):
        raise StartupError(f"--wire-{given[0]} says what --wire-log shows, which is not given.")
    return None


def _host(text: str) -> str:
    """Return the host; raises StartupError for none and for one with a port."""
    if not text.strip():
        raise StartupError(f"--host is empty; give {DEFAULT_HOST}, an address of this machine, or 0.0.0.0 for all.")
    if text.count(":") == 1 or "]:" in text:
        raise StartupError(f"--host takes no port; use --port {text.rpartition(':')[2]}.")
    return text


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= PORT_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port between 0 and {PORT_MAX}")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value
