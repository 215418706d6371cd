"""How many processors this process may use at once: those of its affinity, as far as its control group's quota goes.

Paths are plain text here, since pathlib alone would take a fiftieth of the start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator


def free_processors(root: str = "/") -> float:
    """Return their number, which a quota may make a fraction; `root` is where proc and sys are found."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(affinity), *_quotas(root)])


def _quotas(root: str) -> Iterator[float]:
    """The quotas of the control groups that the process is in, in processors; none where there are no such groups."""
    try:
        lines = _read(os.path.join(root, "proc/self/cgroup")).splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            hierarchy = os.path.join(root, "sys/fs/cgroup")
        elif "cpu" in controllers.split(","):
            hierarchy = os.path.join(root, "sys/fs/cgroup/cpu")
        else:
            continue
        # In a container the path may begin outside of what it sees; then what it sees is its own group.
        names = [name for name in path.split("/") if name]
        for depth in range(len(names), -1, -1):
            yield from _quota(os.path.join(hierarchy, *names[:depth]))


def _quota(group: str) -> Iterator[float]:
    """The quota of one group, if it has one."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join(_read(os.path.join(group, name)) for name in names).split()
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()
