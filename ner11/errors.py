"""The exceptions for mistakes that a user can mend."""

from functools import partial
from pathlib import Path
from typing import Any


class Ner11Error(Exception):
    """A mistake in the input or the settings, told in one line: where, what, and what to do next.

    Args:
        what: What is wrong, as a clause.
        where: The file (with line and column if known), data set or setting at fault.
        fix: What to do next, as an imperative sentence without its final period.

    Attributes:
        exit_code: What a command that fails with it exits with.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        line = f"{where}: {what}" if where is not None else what
        super().__init__(f"{line}. {fix}." if fix else f"{line}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made from, so that it travels from a worker process whole."""
        return partial(type(self), where=self.where, fix=self.fix), (self.what,)


class CollapseError(Ner11Error):
    """A training that predicts nothing and keeps doing so. Its exit code tells it from all other failures."""

    exit_code = 3
