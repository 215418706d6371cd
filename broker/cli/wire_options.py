"""The options of a wire log, which `ottla wire` and `ottla serve` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..wire.wire_log import WireLogOptions

FORMATS = ("text", "json", "recording")


def add_log_options(parser: argparse._ActionsContainer, prefix: str) -> None:
    """Add the options, `--format` or with a prefix `--wire-format`; all of them are None where they are not given."""
    parser.add_argument(
        f"--{prefix}format",
        dest="wire_format",
        choices=FORMATS,
        help="a line of text, a JSON object, or one with all that a replay needs, records and frames too "
        "(default: text)",
    )
    parser.add_argument(
        f"--{prefix}records",
        dest="wire_records",
        action="store_const",
        const=True,
        help="show keys, values and headers",
    )
    for name, metavar, text in (
        ("api", "NAME", "show only this API, given by name or key; may be repeated"),
        ("client", "ID", "show only clients with this id, * and ? as in a shell; may be repeated"),
        ("topic", "NAME", "show only what names this topic; may be repeated"),
    ):
        parser.add_argument(f"--{prefix}{name}", dest=f"wire_{name}", metavar=metavar, action="append", help=text)


def given_options(options: argparse.Namespace) -> list[str]:
    """Return the names of those options that the command line has."""
    names = ("format", "records", "api", "client", "topic")
    return [name for name in names if getattr(options, f"wire_{name}") is not None]


def log_options(options: argparse.Namespace, path: str) -> WireLogOptions:
    """Return what the command line says of a wire log. Raises StartupError for an API that does not exist."""
    from ..config import StartupError
    from ..wire.apis import api_key
    from ..wire.filters import Filters
    from ..wire.wire_log import Format, WireLogOptions

    try:
        api_keys = frozenset(map(api_key, options.wire_api or ()))
    except ValueError as error:
        raise StartupError(f"The log cannot be filtered so: {error}.") from error
    filters = Filters(api_keys, tuple(options.wire_client or ()), frozenset(options.wire_topic or ()))
    return WireLogOptions(path, Format(options.wire_format or "text"), bool(options.wire_records), filters)
