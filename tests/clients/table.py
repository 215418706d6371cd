"""Writes docs/CLIENTS.md from the clients, the features and the limitations that the tests prove.

python -m tests.clients.table
"""

from __future__ import annotations

from tests.support.broker_process import CHECKOUT

from . import features  # noqa: F401  # they enter themselves
from .clients import CLIENTS, LIMITATIONS
from .setting import FEATURES

DOCUMENT = CHECKOUT / "docs" / "CLIENTS.md"

_HEAD = """\
# Clients

Stock clients, each installed by pip into an environment of its own, on the wire against Ottla: every cell is a test
(`tests/clients`), which looks from outside, with a raw client, at what the client did. A number stands where the client
lacks the feature; its test proves that, too.

Transactions are not served yet.

<!-- Written by: python -m tests.clients.table -->

"""


def render() -> str:
    """The document."""
    reasons: list[str] = []
    lines = ["| | " + " | ".join(client.name for client in CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
    for feature in FEATURES:
        cells = []
        for client in CLIENTS:
            limitation = LIMITATIONS.get((client.name, feature))
            if limitation is None:
                cells.append("✓")
                continue
            reason = f"{client.name} {limitation.reason}."
            if reason not in reasons:
                reasons.append(reason)
            cells.append(f"({reasons.index(reason) + 1})")
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    return _HEAD + "\n".join([*lines, "", *notes, ""])


if __name__ == "__main__":
    DOCUMENT.write_text(render())
