"""The distribution as its users get it: what lies in it, and that foreign packages of our names do not disturb it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("broker", "protocol", "storage")
HOSTILE = "raise SystemExit(f'{__name__} was imported from {__file__}')\n"

# Installing asks the package index for the dependencies, which may take its time.
pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; a failing one fails the test with its output."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def first_line_of_broker(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run a broker until it has printed a line, end it with SIGTERM, and return the line."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = threading.Timer(60, process.kill)
    deadline.start()
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        _, errors = process.communicate()
        deadline.cancel()
    assert process.returncode == 0, errors
    return line


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of this checkout."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", directory, cwd=ROOT)
    (wheel,) = directory.glob("*.whl")
    (sdist,) = directory.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def hostile_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with packages that nobody should import."""
    directory = tmp_path_factory.mktemp("hostile")
    plant(directory)
    return directory


def plant(directory: Path) -> None:
    for name in PACKAGES:
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(HOSTILE)


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment with the wheel, its dependencies and hostile packages."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
    run(*pip, "install", "--quiet", distributions[0])
    site_packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    names = {path.name for path in site_packages.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"ottla", "uvloop", "crc32c", "cramjam"}
    plant(site_packages)
    return environment / "bin"


def environment_with(python_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(python_path)}


def test_wheel_holds_all_the_code_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {f"ottla/{path.relative_to(ROOT)}" for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    sources |= {f"ottla/{path.name}" for path in (ROOT / "ottla").glob("*.py")}
    assert names == sources | {"ottla/py.typed"}


def test_sdist_holds_what_the_tests_need_and_makes_the_same_wheel(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, sdist = distributions
    run("tar", "-xf", sdist, "-C", tmp_path)
    (unpacked,) = tmp_path.iterdir()
    expected = {"benchmarks", "broker", "docker", "docs", "examples", "ottla", "protocol", "storage", "tests"}
    expected |= {".dockerignore", ".gitignore", "LICENSE", "Makefile", "PKG-INFO", "README.md", "pyproject.toml"}
    assert {path.name for path in unpacked.iterdir()} == expected
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again", cwd=unpacked)
    (again,) = (tmp_path / "again").glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_no_module_of_ottla_bears_the_name_of_a_standard_one() -> None:
    """In a broker's process that was installed, this folder comes first on sys.path."""
    names = {path.stem for path in (ROOT / "ottla").iterdir()}
    assert names & sys.stdlib_module_names == set()


@pytest.mark.parametrize("command", [["ottla"], ["python", "-m", "ottla"]], ids=" ".join)
def test_foreign_packages_of_our_names_are_not_imported(
    installed: Path, hostile_place: Path, command: list[str]
) -> None:
    environment = environment_with(hostile_place)
    listing = run(installed / command[0], *command[1:], "serve", "--list-config", cwd=hostile_place, env=environment)
    assert "num.partitions = 1" in listing
    serve = (*command[1:], "serve", "--port", "0", "--ephemeral")
    assert first_line_of_broker(installed / command[0], *serve, cwd=hostile_place, env=environment).startswith(
        "Ottla is ready on "
    )


def test_modules_of_the_working_directory_do_not_stand_before_python_s_own(installed: Path, tmp_path: Path) -> None:
    for name in ("json", "socket", "uvloop"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    run(installed / "python", "-m", "ottla", "serve", "--list-config", cwd=tmp_path)
