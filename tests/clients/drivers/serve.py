"""Runs the operations of one client for the tests, in that client's own environment.

    python serve.py kafka_python

The operations are the functions of kafka_python_client.py, kafka_python_groups.py and so on beside this file, and those
of members.py and calls.py. One request per line on stdin, {"operation": ..., "arguments": {...}}; one answer per line
on stdout, {"result": ...} or {"error": {"type", "message", "code", "traceback"}}, where the code is Kafka's if the
error carries one; either has "called", the methods of the admin client that were called. It imports nothing of the
checkout but its neighbours, and ends with its stdin.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback

from calls import CALLED

_PARTS = ("client", "groups", "admin", "configs")


def main(client: str) -> None:
    """Answer requests until the end of stdin."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a client prints must not get among the answers
    operations = {}
    for module in map(importlib.import_module, [*(f"{client}_{part}" for part in _PARTS), "calls", "members"]):
        operations.update(vars(module))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": _operation(operations, request["operation"])(**request["arguments"])}
        except Exception as error:
            answer = {
                "error": {
                    "type": type(error).__name__,
                    "message": str(error),
                    "code": operations["error_code"](error),
                    "traceback": traceback.format_exc(),
                }
            }
        answer["called"] = sorted(CALLED)
        CALLED.clear()
        print(json.dumps(answer), file=answers, flush=True)


def _operation(operations, name):
    if name not in operations:
        raise LookupError(f"the driver has no operation {name}")
    return operations[name]


if __name__ == "__main__":
    main(sys.argv[1])
