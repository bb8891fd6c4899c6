"""What every command shares: one clear line for a mistake, an exit code, and quiet or colorless output where wished."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Annotated, NoReturn, ParamSpec

import typer

if os.environ.get("NO_COLOR"):  # wasabi has a name of its own for it, and reads it at import
    os.environ.setdefault("ANSI_COLORS_DISABLED", "1")

from wasabi import Printer, color

from ner11.errors import Ner11Error

P = ParamSpec("P")
ROOT = Path()
INTERRUPTED = 130
INTERRUPT_LINE = "Interrupted. The last good output is untouched; run the same command to start this step again."

Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
Domain = Annotated[str, typer.Option(help="Domain: a folder in configs/domains.")]


def schema_path(domain: str) -> Path:
    """Give the path of a domain's label tree."""
    return ROOT / "configs" / "domains" / domain / "schema.yml"


def datasets_path(domain: str) -> Path:
    """Give the path of a domain's data sets."""
    return ROOT / "configs" / "domains" / domain / "datasets.yml"


def gazetteers_path(domain: str) -> Path:
    """Give the path of a domain's gazetteers."""
    return ROOT / "configs" / "domains" / domain / "gazetteers.yml"


def one_line(message: str, style: str = "fail") -> str:
    """Dress a message as wasabi does, but without wrapping it: a path that is cut in two cannot be copied."""
    printer = Printer()
    line = f"{printer.icons[style]} {message}"
    return color(line, fg=printer.colors[style]) if printer.show_color else line


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one line on standard error and end."""
    print(one_line(message), file=sys.stderr, flush=True)
    sys.exit(code)


def _on_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(one_line(INTERRUPT_LINE), file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# For an interrupt while torch and spaCy load, which is why every script imports this module first; `command` handles the rest.
sys.excepthook = _on_crash


def command(main: Callable[P, None]) -> Callable[P, None]:
    """Turn a command's expected failures into one line and a non-zero exit code; defects keep their traceback."""

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except Ner11Error as e:
            fail(str(e), e.exit_code)
        except KeyboardInterrupt:
            fail(INTERRUPT_LINE, INTERRUPTED)
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
                raise
            fail(
                f"{e.filename or 'output'}: {e.strerror}. The last good output is untouched; free space or rights and run again."
            )

    return wrapped
