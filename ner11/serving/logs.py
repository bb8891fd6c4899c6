"""Logs: a line of JSON for each event. Texts are not among it unless the settings say so."""

import logging
import sys
from pathlib import Path
from traceback import extract_tb, format_exception
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

REQUESTS = logging.getLogger("ner11.serving.requests")


class _Formatter(JsonFormatter):
    """Writes where an exception came from but not its message, in which a text may be quoted."""

    def __init__(self, *, log_texts: bool) -> None:
        super().__init__(
            "{levelname}{name}{message}",
            style="{",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
        )
        self._log_texts = log_texts

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]  # noqa: N802
        kind, error, trace = ei
        if self._log_texts:
            return "".join(format_exception(kind, error, trace))
        frames = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in extract_tb(trace)]
        return f"{kind.__name__ if kind else error} at {', '.join(frames[-8:])}"


def set_up_logging(*, log_texts: bool = False, stream: TextIO | None = None) -> None:
    """Send all logs of this process to a stream, standard error if None."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(log_texts=log_texts))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ner11").setLevel(logging.INFO)
