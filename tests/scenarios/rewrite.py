"""`python -m tests.scenarios.rewrite [NAME ...]`: writes into the scenarios what their commands put out now."""

from __future__ import annotations

import sys
from pathlib import Path

from .commands import Scenario
from .datadriven import run

DIRECTORY = Path(__file__).parent


def main(names: list[str]) -> None:
    for path in sorted(DIRECTORY.glob("*.txt")):
        if not names or path.stem in names:
            path.write_text(run(path.read_text(), Scenario().execute))


if __name__ == "__main__":
    main(sys.argv[1:])
