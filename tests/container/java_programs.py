"""Programs in Java that use Testcontainers, run from their source."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.kafka_jars import class_path, fetch_jars, user_cache
from tests.support.java import require_kafka

from .engine import NO_IMAGES_OF_THEIRS

VERSION = "2.0.5"
TIMEOUT_S = 300
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ottla</groupId><artifactId>testcontainers</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.testcontainers</groupId><artifactId>testcontainers-kafka</artifactId><version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def testcontainers_jars() -> str:
    """The class path of Testcontainers and of Kafka's clients, fetched at the first use; skips where it cannot be."""
    require_kafka()
    directory = user_cache() / f"testcontainers-{VERSION}"
    if not directory.is_dir():
        fetch_jars(f"Testcontainers {VERSION}", _POM, directory)
    return f"{directory}/*:{class_path()}"


def run_java(jars: str, program: Path, *arguments: str) -> str:
    """Run a source file, which must succeed, and return what it prints."""
    done = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars, str(program), *arguments],
        env={**os.environ, **NO_IMAGES_OF_THEIRS},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return done.stdout
