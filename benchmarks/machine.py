"""What a measurement ran on, and when."""

import platform
import time
from pathlib import Path

import psutil

_CPU_INFO = Path("/proc/cpuinfo")


def describe() -> dict[str, object]:
    """Names and versions as figures are published with them: nothing that tells one machine of a kind from another."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "python": platform.python_version(),
    }


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
