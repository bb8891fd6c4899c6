"""List the versions of the model that a server has retrained and what became of its trainings, or go back to the one before."""

from common import Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ner11.evaluation.figures import percent
from ner11.serving.settings import Settings, load_settings
from ner11.serving.store import FILE, Store
from ner11.serving.versions import KEPT, VersionStore

State = Annotated[Path | None, typer.Option(help="Folder of the server's state; else NER11_STATE.")]
Model = Annotated[str | None, typer.Option(help="The pipeline that was there first; else NER11_MODEL.")]
HEADER = ("version", "made", "annotated tasks", "F1", "instead of", "")
TRAININGS = 5
"""How many of the last trainings are told of."""

app = typer.Typer(help=__doc__)


def _settings(state: Path | None, model: str | None) -> tuple[Settings, VersionStore]:
    settings = load_settings({"state": state, "model": model})
    return settings, VersionStore(settings.state, settings.model)


def _trainings(state: Path) -> list[str]:
    """Tell what became of the last trainings, and why; nothing is made where there was none."""
    jobs = Store(state / FILE).jobs() if (state / FILE).is_file() else []
    return [f"{job.ended or job.started or job.created}  {job.state}: {job.said or job.reason}" for job in jobs[:TRAININGS]]


@app.command("list")
@command
def main(state: State = None, model: Model = None, quiet: Quiet = False) -> None:
    """Print all versions and the last trainings, newest first."""
    msg = Printer(no_print=quiet)
    settings, versions = _settings(state, model)
    current = versions.current()
    rows = [
        (one.id, one.created, one.annotations or "", percent(one.f1), one.parent or "", "answers" if one == current else "")
        for one in versions.history()
    ]
    msg.table(rows, header=HEADER, divider=True, aligns=("l", "l", "r", "r", "l", "l"))
    msg.text(f"The last {KEPT} retrained versions are kept, and the one that answers with the one it replaced.")
    if trainings := _trainings(settings.state):
        msg.divider("Last trainings")
        for line in () if quiet else trainings:
            print(line)  # wasabi would break it


@app.command()
@command
def rollback(state: State = None, model: Model = None, quiet: Quiet = False) -> None:
    """Let the version answer again that answered before; a server that runs notices by itself."""
    msg = Printer(no_print=quiet)
    _, versions = _settings(state, model)
    before = versions.current()
    msg.good(f"{versions.rollback().id} answers again, instead of {before.id}")


if __name__ == "__main__":
    app()
