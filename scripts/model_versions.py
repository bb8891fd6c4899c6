"""List the versions of the model that a server has retrained, or go back to the one before."""

from common import Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ner11.evaluation.figures import percent
from ner11.serving.settings import load_settings
from ner11.serving.versions import KEPT, VersionStore

State = Annotated[Path | None, typer.Option(help="Folder of the server's state; else NER11_STATE.")]
Model = Annotated[str | None, typer.Option(help="The pipeline that was there first; else NER11_MODEL.")]
HEADER = ("version", "made", "annotated tasks", "F1", "instead of", "")

app = typer.Typer(help=__doc__)


def _versions(state: Path | None, model: str | None) -> VersionStore:
    settings = load_settings({"state": state, "model": model})
    return VersionStore(settings.state, settings.model)


@app.command("list")
@command
def main(state: State = None, model: Model = None, quiet: Quiet = False) -> None:
    """Print all versions, newest first."""
    msg = Printer(no_print=quiet)
    versions = _versions(state, model)
    current = versions.current()
    rows = [
        (one.id, one.created, one.annotations or "", percent(one.f1), one.parent or "", "answers" if one == current else "")
        for one in versions.history()
    ]
    msg.table(rows, header=HEADER, divider=True, aligns=("l", "l", "r", "r", "l", "l"))
    msg.text(f"The last {KEPT} retrained versions are kept, and the one that answers with the one it replaced.")


@app.command()
@command
def rollback(state: State = None, model: Model = None, quiet: Quiet = False) -> None:
    """Let the version answer again that answered before; a server that runs notices by itself."""
    msg = Printer(no_print=quiet)
    versions = _versions(state, model)
    before = versions.current()
    msg.good(f"{versions.rollback().id} answers again, instead of {before.id}")


if __name__ == "__main__":
    app()
