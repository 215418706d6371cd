"""Files that go a while after they were deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.deferred_removal import DeferredRemoval

from .log_support import FailingFilesystem, broken


class Clock:
    now_ms = 1000

    def __call__(self) -> int:
        return self.now_ms


class Setting:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.filesystem = FailingFilesystem()
        self.sooner = 0
        self.removal = DeferredRemoval(self.filesystem, self.clock, self._on_sooner)

    def _on_sooner(self) -> None:
        self.sooner += 1

    def make(self, *names: str) -> list[str]:
        for name in names:
            (self.directory / name).touch()
        return [str(self.directory / name) for name in names]

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_each_after_its_own_delay(setting: Setting) -> None:
    removal = setting.removal
    assert removal.remove_due() is None
    removal.add(setting.make("a.deleted", "b.deleted"), 500)
    removal.add(setting.make("c.deleted"), 200)
    removal.add(setting.make("d.deleted"), 700)
    assert setting.sooner == 2, "the last one is not due before what was known already"
    assert removal.remove_due() == 200
    setting.clock.now_ms += 199
    assert removal.remove_due() == 1
    assert len(setting.names) == 4
    setting.clock.now_ms += 1
    assert removal.remove_due() == 300
    assert setting.names == ["a.deleted", "b.deleted", "d.deleted"]
    setting.clock.now_ms += 10_000
    assert removal.remove_due() is None
    assert setting.names == []


def test_without_a_delay_it_is_due_at_once(setting: Setting) -> None:
    setting.removal.add(setting.make("a.deleted"), 0)
    assert setting.removal.remove_due() is None
    assert setting.names == []


def test_directories_go_with_what_is_in_them(setting: Setting, tmp_path: Path) -> None:
    directory = tmp_path / "orders-0.0123-delete"
    directory.mkdir()
    (directory / "file").touch()
    setting.removal.add([str(directory), str(tmp_path / "gone-delete"), str(tmp_path / "gone.deleted")], 0)
    assert setting.removal.remove_due() is None
    assert setting.names == []


def test_many_are_removed_some_at_a_time(setting: Setting) -> None:
    setting.removal.add(setting.make(*(f"{number}.deleted" for number in range(100))), 0)
    assert setting.removal.remove_due() == 0
    assert 0 < len(setting.names) < 100
    assert setting.removal.remove_due() is None
    assert setting.names == []


def test_one_that_cannot_be_removed_is_named_and_left(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    setting.filesystem.fail["unlink"] = lambda path: broken() if path.endswith("a.deleted") else None
    setting.removal.add(setting.make("a.deleted", "b.deleted"), 0)
    assert setting.removal.remove_due() is None
    assert setting.names == ["a.deleted"]
    assert "a.deleted cannot be removed, the next start tries again: " in caplog.text
