"""How many processors a process may use, from its affinity and the quotas of its control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.free_processors import free_processors


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_control_groups_the_affinity_counts(root: Path) -> None:
    assert free_processors(str(root)) == 4


def test_the_least_quota_on_the_way_to_the_root_counts(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/pods/broker\n")
    write(root / "sys/fs/cgroup/pods/broker/cpu.max", "max 100000\n")
    write(root / "sys/fs/cgroup/pods/cpu.max", "150000 100000\n")
    assert free_processors(str(root)) == 1.5


def test_a_quota_above_the_affinity_changes_nothing(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/\n")
    write(root / "sys/fs/cgroup/cpu.max", "800000 100000\n")
    assert free_processors(str(root)) == 4


def test_in_a_container_the_group_that_it_sees_counts(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/docker/0123\n")
    write(root / "sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert free_processors(str(root)) == 1


def test_groups_of_version_1(root: Path) -> None:
    write(root / "proc/self/cgroup", "3:memory:/a\n2:cpu,cpuacct:/a\n0::/\n")
    write(root / "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n")
    write(root / "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert free_processors(str(root)) == 0.5
