"""The `ottla` command, and `python -m ottla`.

The broker's packages have names that others use too: broker, protocol, storage. In a wheel they lie inside this
package, in a checkout beside it; either way their folder goes first on this process's own sys.path, so that nothing in
the working directory, on PYTHONPATH or in site-packages stands before them (docs/adr/0001-packaging.md).
"""

from __future__ import annotations

import os
import sys
import time

_STARTED_MS = time.monotonic() * 1000.0


def main() -> int:
    """Run the command line and return the exit code."""
    here = os.path.dirname(os.path.abspath(__file__))
    packages = here if os.path.isdir(os.path.join(here, "broker")) else os.path.dirname(here)
    # An empty entry is the working directory, wherever that is by the time something is imported.
    sys.path[:] = [packages, *(path for path in sys.path if path not in ("", packages))]
    from broker.cli.main import main as run
    from ottla import __version__

    return run(version=__version__, started_ms=_STARTED_MS)


if __name__ == "__main__":
    # `python -m` has put the working directory first, where a json.py would stand before Python's own.
    if not sys.flags.safe_path:
        del sys.path[0]
    sys.exit(main())
