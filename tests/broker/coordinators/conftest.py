from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.toy_coordinator import ToyRuntime


@pytest.fixture
async def toys(tmp_path: Path) -> AsyncIterator[ToyRuntime]:
    runtime = ToyRuntime(tmp_path)
    yield runtime
    await runtime.close()
