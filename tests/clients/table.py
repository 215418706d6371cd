"""Writes docs/CLIENTS.md from the clients, the features and the limitations that the tests prove.

python -m tests.clients.table
"""

from __future__ import annotations

import itertools
import sys

from tests.support.broker_process import CHECKOUT

from . import features  # noqa: F401  # they enter themselves
from .admin_methods import NOT_SHOWN
from .clients import CLIENTS, LIMITATIONS
from .setting import FEATURES

DOCUMENT = CHECKOUT / "docs" / "CLIENTS.md"

_HEAD = """\
# Clients

Stock clients, each installed by pip into an environment of its own, on the wire against Ottla: every cell is a test
(`tests/clients`), which looks from outside, with a raw client, at what the client did. A number stands where the client
lacks the feature, or where it fails with Apache Kafka, too; its test proves that, on either. Every public method of the
admin clients is called in one of these rows, but for those named below.

Of Kafka's own programs, VerifiableProducer and VerifiableConsumer with three of Java's assignors, ConsumerGroupCommand
and DumpLogSegments are tested the same way (`tests/java`). Transactions are not served yet.

<!-- Written by: python -m tests.clients.table -->

"""


_TAIL = """\
## When the broker restarts

Consumers come back by themselves, whether the broker was stopped or killed, and read on from what was committed. How
soon is theirs to say:

- After an outage shorter than their session timeout they go on within a second or two, without a rebalance if they
  notice nothing, else with one.
- After a longer one their sessions may be over, and the group's first rebalance then waits for members that have not
  come back, up to their session timeout. kafka-python's `reconnect_backoff_max_ms`, 30 s by default, may add to that.
- librdkafka gives up a static member (`group.instance.id`) whose session has ended while it could not reach the broker:
  it reports a fatal error, "Static consumer fenced", and the consumer has to be made anew. Choose
  `session.timeout.ms` longer than a restart takes.

Records that were read and not yet committed are read again, as with every broker.
"""


def render() -> str:
    """The document."""
    reasons: list[str] = []
    lines: list[str] = []
    for module, entered in itertools.groupby(FEATURES, lambda feature: FEATURES[feature].__module__):
        lines += [f"## {(sys.modules[module].__doc__ or '').splitlines()[0].removesuffix('.')}", ""]
        lines += ["| | " + " | ".join(client.name for client in CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
        lines += [_row(feature, reasons) for feature in entered]
        lines.append("")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    methods = [
        f"- {', '.join(f'`{method}`' for method in named)}: {reason}."
        for reason, named in itertools.groupby(sorted(NOT_SHOWN, key=_reason), _reason)
    ]
    parts = [
        "## What the numbers say",
        "",
        *notes,
        "",
        "## Methods of the admin clients that no row shows",
        "",
        *methods,
    ]
    return _HEAD + "\n".join([*lines, *parts, "", _TAIL])


def _row(feature: str, reasons: list[str]) -> str:
    """A row of the table; reasons that are new are added."""
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
    return f"| {feature} | " + " | ".join(cells) + " |"


def _reason(method: str) -> str:
    return NOT_SHOWN[method]


if __name__ == "__main__":
    DOCUMENT.write_text(render())
