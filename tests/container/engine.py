"""The Docker engine that runs the image: its tests are skipped where none answers, and fail where one is required."""

from __future__ import annotations

import gc
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import BuildError, DockerException

ROOT = Path(__file__).parents[2]
IMAGE = "ottla-test"
TAG = "7.9.0"
"""Test tools read it as a version of cp-kafka, which must be 7.0.0 or later."""
CLIENT_IMAGE = "ottla-orders-test"
_BUILD_ARGUMENTS = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
NO_IMAGES_OF_THEIRS = {"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_CHECKS_DISABLE": "true"}
"""Keeps testcontainers from fetching images: one that removes what a killed run has left, one that tries the engine."""


@cache
def unavailable() -> str | None:
    """Say in one sentence why no container can run here, or None where one can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker-py forgets the socket on which nobody answers
        try:
            docker.from_env().close()
        except DockerException as error:
            reason = f"No Docker engine answers ({error})."
        else:
            return None
        gc.collect()
    return reason


def require_docker() -> None:
    """Skip the calling test or fixture, with the reason, where there is no engine; fail it where one is required."""
    require(unavailable())


def require(reason: str | None) -> None:
    """Skip the calling test or fixture if there is a reason, or fail it if OTTLA_REQUIRE_DOCKER is 1."""
    if reason is None:
        return
    if os.environ.get("OTTLA_REQUIRE_DOCKER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def build(client: Any, directory: Path, dockerfile: str, tag: str) -> None:
    """Build an image; a failing step fails the caller with the builder's output."""
    arguments = {name: os.environ[name] for name in _BUILD_ARGUMENTS if name in os.environ}
    try:
        # The host's network reaches what the host reaches, a mirror of PyPI on it included.
        client.images.build(
            path=str(directory), dockerfile=dockerfile, tag=tag, buildargs=arguments, network_mode="host", rm=True
        )
    except BuildError as error:
        output = "".join(part.get("stream") or part.get("error") or "" for part in error.build_log)
        raise AssertionError(f"{dockerfile} cannot be built:\n{output[-4000:]}") from error
