"""Processes to work in."""

import gc
import os
import signal
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread


def count_workers() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def collect_less_garbage() -> None:
    """Look for cycles less often: texts make none, and looking through half a million of them costs more than reading them."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _follow_parent() -> None:
    """End with the parent process, however it ends: killed, it cannot end its workers, and they would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def start_worker() -> None:
    """Prepare a worker process; it leaves interrupts to its parent, which ends its workers and says so in one line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_follow_parent, daemon=True).start()
    collect_less_garbage()
