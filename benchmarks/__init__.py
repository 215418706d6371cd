"""What measures the broker; it needs more packages than the broker does, and so do the tests that use it."""

import importlib.util
import sys

for _package in ("confluent_kafka", "kafka", "psutil"):
    if importlib.util.find_spec(_package) is None:
        sys.exit(
            f"The package {_package} is missing: `.venv/bin/pip install --editable '.[test,check,bench]'` installs all "
            "that is needed here, as `make test`, `make check` and `make bench` do."
        )
