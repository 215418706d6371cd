"""The jars of Apache Kafka, fetched once from Maven Central into a cache directory, and the Java programs in them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

KAFKA_VERSION = "4.3.1"
"""The version fetched: the one place that names it."""

CACHE_VARIABLE = "OTTLA_KAFKA_DIR"
"""Environment variable naming the directory of the jars, instead of the one in the user's cache."""

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ottla</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
_COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class KafkaUnavailable(Exception):
    """Kafka cannot be fetched or started here; the message is one sentence for the person at the terminal."""


def cache_directory() -> Path:
    """Where the jars are, or will be after the first use."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override)
    return user_cache() / f"kafka-{KAFKA_VERSION}"


def user_cache() -> Path:
    """The directory of everything that the benchmarks keep between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ottla"


def unavailable() -> str | None:
    """Say in one sentence why Kafka cannot run here, or None where it can (the jars may still have to be fetched)."""
    if shutil.which("java") is None:
        return "Apache Kafka needs a Java runtime (17 or later), and there is no java on the PATH."
    if not _fetched(cache_directory()) and shutil.which("mvn") is None:
        return f"The jars of Apache Kafka {KAFKA_VERSION} are fetched with Maven, and there is no mvn on the PATH."
    return None


def _fetched(directory: Path) -> bool:
    return any(directory.glob("kafka_*.jar"))


def class_path() -> str:
    """Return the Java class path of Kafka and its tools, fetching the jars at the first use.

    Raises:
        KafkaUnavailable: java or mvn is missing, or Maven failed.
    """
    if reason := unavailable():
        raise KafkaUnavailable(reason)
    directory = cache_directory()
    if not _fetched(directory):
        _fetch(directory)
    return f"{directory}/*"


def _fetch(directory: Path) -> None:
    fetch_jars(f"Apache Kafka {KAFKA_VERSION}", _POM.format(version=KAFKA_VERSION), directory)


def fetch_jars(name: str, pom: str, directory: Path) -> None:
    """Have Maven fetch the dependencies of a project into a directory that is not there yet.

    Raises:
        KafkaUnavailable: Maven failed.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Fetched beside the final place and renamed, so that an interrupted download never looks like a whole one and two
    # processes that fetch at the same time do not disturb each other.
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="fetching-") as work:
        (Path(work) / "pom.xml").write_text(pom)
        jars = Path(work) / "jars"
        command = ["mvn", "-q", "-B", _COPY_DEPENDENCIES, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        print(f"Fetching {name} into {directory} ...", file=sys.stderr)
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0 or not jars.is_dir():
            raise KafkaUnavailable(f"Maven could not fetch {name}:\n{done.stdout[-2000:]}")
        try:
            jars.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise


def java_command(options: Sequence[str], main_class: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs one of Kafka's classes, fetching the jars at the first use."""
    return [
        "java",
        *options,
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        class_path(),
        main_class,
        *arguments,
    ]


def run_tool(main_class: str, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's Java programs to its end, e.g. `org.apache.kafka.tools.DumpLogSegments`; output is captured.

    The exit code is the caller's to check: several of the tools print an error and exit with 0.
    """
    command = java_command(["-Xmx512m"], main_class, arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
