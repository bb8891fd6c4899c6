"""Train on what was annotated in Label Studio, and let the new model answer if it passes the gates."""

from common import INTERRUPT_LINE, INTERRUPTED, ROOT, Quiet, command, fail, one_line

# isort: split
import os
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from ner11.errors import Ner11Error
from ner11.serving.annotated import check_export
from ner11.serving.jobs import FAILED, FINISHED, Job
from ner11.serving.label_studio.client import LabelStudio
from ner11.serving.retraining import Outcome, Plan, retrain
from ner11.serving.settings import Settings, load_settings
from ner11.serving.store import FILE, Store
from ner11.serving.trainer import log_path, training_lock
from ner11.serving.versions import VersionStore

COMMAND_LINE = "command line"
"""Why a training was asked for that is not queued again when it is interrupted."""
NICE = 10
"""How far a training behind a server steps back from it."""


class StoppedError(BaseException):
    """Asked to end."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise StoppedError


def _connect(settings: Settings) -> LabelStudio | None:
    if not (settings.label_studio_url and settings.label_studio_token):
        return None
    return LabelStudio(settings.label_studio_url, settings.label_studio_token.get_secret_value())


def _only_project(store: Store) -> int:
    """Find the project that annotations have come from; the first one of a new Label Studio if none have yet."""
    projects = store.projects() or [1]
    if len(projects) > 1:
        numbers = ", ".join(map(str, projects))
        raise Ner11Error(f"annotations came from the projects {numbers}", where="project", fix="Choose one with --project")
    return projects[0]


def _take_job(store: Store, job: str, project: int | None) -> Job:
    """Start the job of the queue, or a new one."""
    if job:
        taken = store.job(job)
    else:
        taken = store.request_training(_only_project(store) if project is None else project, reason=COMMAND_LINE)
    if taken is None or not store.start(taken.id):
        raise Ner11Error("is not in the queue", where=f"job {job}", fix="Leave --job out to start a new training")
    return taken


def _bring(annotations: Path, folder: Path) -> Path:
    """Put an export among the annotated texts."""
    check_export(annotations, name=annotations.as_posix())
    brought = folder / annotations.with_suffix(".json").name
    if annotations.resolve() != brought.resolve():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(annotations, brought.with_name(f".{brought.name}.partial"))
        brought.with_name(f".{brought.name}.partial").replace(brought)
    return brought


@command
def main(
    project: Annotated[int | None, typer.Option(min=0, help="Number of the project in Label Studio; else the only one.")] = None,
    annotations: Annotated[str, typer.Option(help="A JSON export to train on, instead of what is pulled.")] = "",
    datasets: Annotated[
        str | None, typer.Option(help="Data sets to read beside the annotated texts; else NER11_DATASETS.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Domain; else NER11_DOMAIN.")] = None,
    model: Annotated[str | None, typer.Option(help="The pipeline that was there first; else NER11_MODEL.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of the server's state; else NER11_STATE.")] = None,
    gates: Annotated[str | None, typer.Option(help="A file in configs/gates, without .csv; else NER11_GATES.")] = None,
    epochs: Annotated[str | None, typer.Option(help="Number of epochs, or auto; else NER11_EPOCHS.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Train even if nothing new was annotated.")] = False,
    job: Annotated[str, typer.Option(help="A job of the queue; the server gives it.")] = "",
    quiet: Quiet = False,
) -> None:
    """Gather annotations, train in a workspace, hold the model against the one that answers, and swap it in."""
    given = {"domain": domain, "model": model, "state": state, "datasets": datasets, "gates": gates, "epochs": epochs}
    settings = load_settings(given)
    root, folder = ROOT.absolute(), settings.state.absolute()
    plan = Plan(
        root=root,
        scripts=Path(__file__).parent.absolute(),
        state=folder,
        domain=settings.domain,
        datasets=settings.datasets,
        gates=settings.gates,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        track="mlflow" if settings.mlflow_tracking_uri else "none",
        seed=seed,
    )
    if settings.mlflow_tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = settings.mlflow_tracking_uri
    if job:
        os.nice(NICE)
    with training_lock(folder):
        store = Store(folder / FILE)
        store.recover()
        brought = _bring(Path(annotations), plan.annotated) if annotations else None
        taken = _take_job(store, job, project)
        outcome = _run(
            taken, plan, store, settings, brought=brought, force=force, quiet=quiet, queued=taken.reason != COMMAND_LINE
        )
    if outcome.state != FINISHED:
        fail(outcome.said)
    if not quiet:
        print(one_line(outcome.said, "good"))


def _run(
    taken: Job, plan: Plan, store: Store, settings: Settings, *, brought: Path | None, force: bool, quiet: bool, queued: bool
) -> Outcome:
    """Run a job that is started, and write down what became of it, whatever that is."""
    log = log_path(plan.state, taken.id)
    log.parent.mkdir(parents=True, exist_ok=True)

    def say(step: str) -> None:
        store.say(taken.id, step)
        if not quiet:
            print(one_line(step, "info"), flush=True)

    signal.signal(signal.SIGTERM, _stop)
    try:
        versions = VersionStore(plan.state, str(settings.model))
        client = None if brought else _connect(settings)
        with client or nullcontext():
            outcome = retrain(
                taken.project,
                plan,
                store=store,
                versions=versions,
                log=log,
                say=say,
                label_studio=client,
                annotations=brought,
                force=force,
            )
    except (StoppedError, KeyboardInterrupt):
        if queued:
            store.put_back(taken.id)
        else:
            store.end(taken.id, FAILED, "interrupted")
        fail(INTERRUPT_LINE, INTERRUPTED)
    except Exception as e:  # a job that ends without a word would look as if it still ran
        store.end(taken.id, FAILED, str(e) if isinstance(e, Ner11Error | OSError) else f"{type(e).__name__}: {e}")
        raise
    store.end(taken.id, outcome.state, outcome.said, version=outcome.version)
    return outcome


if __name__ == "__main__":
    typer.run(main)
