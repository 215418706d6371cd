"""The data directory: its lock, its paths, and temporary ones that vanish."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.config import Config, StartupError
from broker.data_directory import DataDirectory
from storage.filesystem import Filesystem


def test_one_broker_at_a_time(tmp_path: Path) -> None:
    first = DataDirectory(str(tmp_path / "d"), Filesystem())
    with pytest.raises(StartupError, match="in use by another broker"):
        DataDirectory(str(tmp_path / "d"), Filesystem())
    first.close()
    DataDirectory(str(tmp_path / "d"), Filesystem()).close()


def test_a_path_that_is_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="cannot be used: Not a directory"):
        DataDirectory(str(tmp_path / "file" / "d"), Filesystem())


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (errno.EACCES, f"is not one that user {os.geteuid()} may write to; give it to that user, run as its owner, or"),
        (errno.EROFS, "cannot be used: Read-only file system; mount it writable or choose another --data-dir"),
    ],
)
def test_one_that_cannot_be_written_is_refused_with_what_to_change(tmp_path: Path, error: int, wanted: str) -> None:
    class Unwritable(Filesystem):
        def lock(self, path: str) -> int:
            raise OSError(error, os.strerror(error), path)

    with pytest.raises(StartupError, match=wanted):
        DataDirectory(str(tmp_path), Unwritable())


def test_log_directories(tmp_path: Path) -> None:
    directory = DataDirectory(str(tmp_path), Filesystem())
    assert directory.log_directories(Config()) == [str(tmp_path / "broker-0")]
    assert directory.log_directories(Config({"node.id": "7"})) == [str(tmp_path / "broker-7")]
    assert directory.log_directories(Config({"log.dirs": "/a,/b"})) == ["/a", "/b"]
    directory.close()


def test_a_temporary_directory_is_removed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    directory = DataDirectory.temporary(Filesystem())
    Path(directory.metadata_path).write_text("something")
    assert os.path.dirname(directory.path) == str(tmp_path)
    directory.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_and_a_running_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, tempfile, sys; tempfile.tempdir = sys.argv[1]\n"
            "from broker.data_directory import DataDirectory\n"
            "from storage.filesystem import Filesystem\n"
            "print(DataDirectory.temporary(Filesystem()).path, flush=True); os._exit(9)",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    left_behind = Path(killed.stdout.strip())
    assert left_behind.parent == tmp_path
    assert left_behind.is_dir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = DataDirectory.temporary(Filesystem())
    assert not left_behind.exists()
    second = DataDirectory.temporary(Filesystem())
    assert os.path.isdir(running.path)
    second.close()
    running.close()
