"""The fixture for other people's tests: it works where a copy lies, and is the one of docs/pytest.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.broker_process import CHECKOUT, READY, BrokerProcess
from tests.support.wait import DEADLINE_S

from .program import EXAMPLES, shows, source

NAME = "pytest_fixture"
DOCUMENT = (CHECKOUT / "docs" / "pytest.md").read_text(encoding="utf-8")


def test_the_example_passes_where_a_copy_lies(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / f"{NAME}.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"{NAME}.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert shows(NAME, done.stdout), done.stdout


def test_the_document_has_the_fixture_of_the_example() -> None:
    (fixture,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert f"\n\n{fixture}\n\n" in source(NAME)


def test_the_ready_line_has_the_form_that_the_document_promises(make_broker: Callable[..., BrokerProcess]) -> None:
    (promised,) = re.findall(r"^ {4}(Ottla is ready on .*)$", DOCUMENT, re.MULTILINE)
    assert READY.fullmatch(promised)
    listeners = "listeners=A://127.0.0.1:0,B://127.0.0.1:0"
    protocols = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT"
    broker = make_broker("--set", listeners, "--set", protocols, host=None, port=None).start()
    # `start` has read the whole line by the same pattern.
    assert [host for host, _ in broker.ready.endpoints] == ["127.0.0.1"] * 2
    assert broker.stop() == 0
