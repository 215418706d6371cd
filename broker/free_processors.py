"""How many processors this process may use at once: those of its affinity, as far as its control group's quota goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def free_processors(root: Path = Path("/")) -> float:
    """Return their number, which a quota may make a fraction; `root` is where proc and sys are found."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(affinity), *_quotas(root)])


def _quotas(root: Path) -> Iterator[float]:
    """The quotas of the control groups that the process is in, in processors; none where there are no such groups."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            hierarchy = root / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            hierarchy = root / "sys/fs/cgroup/cpu"
        else:
            continue
        # In a container the path may begin outside of what it sees; then what it sees is its own group.
        group = PurePosixPath(path.lstrip("/"))
        for directory in (group, *group.parents):
            yield from _quota(hierarchy / directory)


def _quota(group: Path) -> Iterator[float]:
    """The quota of one group, if it has one."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)
