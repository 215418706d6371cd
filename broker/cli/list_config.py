"""What `ottla serve --list-config` prints, and docs/CONFIGURATION.md says with it, of each property."""

from __future__ import annotations

import textwrap

from ..config_entries import explain
from ..config_table import SECTIONS
from ..config_types import to_text

_WIDTH = 100
_INDENT = "    "


def list_config() -> str:
    """Return every property with its type, default, valid values and update mode, as text for a terminal."""
    lines: list[str] = []
    for title, properties in SECTIONS.items():
        lines += [title, "=" * len(title), ""]
        for row in properties:
            default = to_text(row.default)
            facts = [row.type.name.lower(), *([str(row.valid)] if row.valid else []), row.dynamic.value]
            lines += [f"{row.name} = {'(none)' if default is None else default}", f"{_INDENT}{'; '.join(facts)}"]
            lines += textwrap.wrap(explain(row), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
            lines.append("")
    return "\n".join(lines)
