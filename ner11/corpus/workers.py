"""Processes to work in."""

import os
import signal


def count_workers() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ignore_interrupts() -> None:
    """Leave interrupts to the parent process, which ends its workers and says so in one line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
