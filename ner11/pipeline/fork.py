"""Forked processes, as `nlp.pipe(n_process=2)` makes them: they do not have torch's threads, and would wait for them for ever."""

import os
import sys


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_use_one_thread)
