"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

__all__ = ["describe_machine", "load"]


def _found(file: str, pattern: str) -> str:
    try:
        match = re.search(pattern, Path(file).read_text())
    except OSError:
        match = None
    return match[1].strip() if match else "unknown"


def load() -> float:
    """Processes that ran on average in the last minute."""
    return os.getloadavg()[0]


def describe_machine() -> str:
    """The processor, its cores, the memory and the system, in one line."""
    model = _found("/proc/cpuinfo", r"model name\s*:(.*)")
    memory = _found("/proc/meminfo", r"MemTotal:\s*(\d+)")
    size = f"{int(memory) / 2**20:.0f} GB" if memory.isdigit() else memory
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {size} of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
