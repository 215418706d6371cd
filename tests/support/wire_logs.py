"""A wire log that a test can read, and the lines of one as they are compared."""

from __future__ import annotations

import re
from pathlib import Path

from broker.wire.wire_log import WireLog, WireLogOptions
from tests.support.manual_clock import ManualClock


class LogForTests:
    """A wire log in a file of a test's own; made on the loop, and closed before its lines are read."""

    def __init__(self, directory: Path, **options: object) -> None:
        self.path = directory / "wire.log"
        self.clock = ManualClock()
        self.log = WireLog(WireLogOptions(str(self.path), **options), self.clock)  # type: ignore[arg-type]

    async def lines(self) -> list[str]:
        """Close the log and return its lines without their times."""
        await self.log.close()
        return [without_time(line) for line in self.path.read_text().splitlines()]


def without_time(line: str) -> str:
    """A line of text without date and time in front."""
    text, count = re.subn(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", "", line)
    assert count == 1, line
    return text
