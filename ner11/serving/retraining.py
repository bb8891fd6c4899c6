"""What a training from annotations does: gather, train in a workspace, hold it against the model that answers, swap it in."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ner11.errors import Ner11Error
from ner11.files import clear, read_object
from ner11.pipeline.onnx_ner import FACTORY
from ner11.schema import load_schema
from ner11.serving.annotated import NAME, Exporter, check_export, count_usable, gather
from ner11.serving.jobs import FINISHED, REFUSED
from ner11.serving.store import Store
from ner11.serving.versions import ModelVersion, VersionStore, find_pipeline
from ner11.serving.workspace import fit_entry, make_workspace

_TRAINING = Path("training")
_BASELINE = _TRAINING / "baseline.predictions.jsonl"
_KEPT = ("metrics.json", "predictions.jsonl", "report", "config.cfg", "choices.json", "log.jsonl")
_GRACE_SECONDS = 10
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


@dataclass(frozen=True)
class Plan:
    """How to retrain.

    Attributes:
        root: The project's folder.
        scripts: Folder of the scripts that are the steps.
        state: Folder of the server's state.
        domain: Domain.
        datasets: Data sets to train on beside the annotated texts, separated by commas.
        gates: A file in configs/gates.
        epochs: Epochs, or "auto".
        learning_rate: Peak learning rate of the encoder; None for what `configure` chooses.
        track: "none" or "mlflow".
        seed: Seed of every random choice.
    """

    root: Path
    scripts: Path
    state: Path
    domain: str
    datasets: str = "gold"
    gates: str = "serving"
    epochs: str = "auto"
    learning_rate: float | None = None
    track: str = "none"
    seed: int = 0

    @property
    def workspace(self) -> Path:
        """The folder that the training works in."""
        return self.state / "workspace"

    @property
    def annotated(self) -> Path:
        """The folder of the annotated texts."""
        return self.root / "assets" / self.domain / NAME


@dataclass(frozen=True)
class Outcome:
    """What became of a training: the last three of a `Job`."""

    state: str
    said: str
    version: str | None = None


def make_steps(plan: Plan, current: ModelVersion, new: str) -> list[list[str]]:
    """List the steps, each the name of a script and its arguments.

    Args:
        plan: How to retrain.
        current: The model that answers.
        new: Id of the model to make.
    """
    (name, _, version), (_, _, new_version) = current.id.partition("-"), new.partition("-")
    # A package keeps its name: it is no folder.
    pipeline = str(Path(current.pipeline).absolute()) if Path(current.pipeline).is_dir() else current.pipeline
    domain, seed = ["--domain", plan.domain], ["--seed", str(plan.seed)]
    rate = [] if plan.learning_rate is None else ["--learning-rate", str(plan.learning_rate)]
    compared = ["--gates", plan.gates, "--version", new_version, "--baseline", _BASELINE.as_posix()]
    return [
        ["convert", *domain, *seed, "--datasets", ",".join(filter(None, [plan.datasets, NAME]))],
        ["merge", *seed],
        ["corpus_statistics"],
        ["configure", *domain, *seed, "--epochs", plan.epochs, *rate],
        ["train", "--track", plan.track],
        ["predict", pipeline, "--name", name, "--version", version, "--output", _BASELINE.as_posix()],
        ["evaluate", *domain, *seed, *compared],
        ["gate", *domain, "--gates", plan.gates],
        ["export", "--skip-unsupported"],
    ]


def retrain(
    project: int,
    plan: Plan,
    *,
    store: Store,
    versions: VersionStore,
    log: Path,
    say: Callable[[str], None],
    label_studio: Exporter | None = None,
    annotations: Path | None = None,
    force: bool = False,
) -> Outcome:
    """Train on what was annotated, and let the new model answer if it passes the gates.

    Args:
        project: Project of Label Studio.
        plan: How to retrain.
        store: Annotations.
        versions: Where the new model goes.
        log: File to write what the steps print into.
        say: Told what is being done, one line each.
        label_studio: Where to pull annotations from; None takes those of the store.
        annotations: A file in the folder of the annotated texts that stands for both.
        force: Train even if nothing new was annotated.

    Returns:
        "finished" with the version that answers now, or "refused" with the reason in one sentence.

    Raises:
        Ner11Error: If a step fails; the model that answered before still does.
        OSError: If the disk is full; as above.
    """
    current, new = versions.current(), versions.next_id()
    mark: int | None = None
    if annotations:
        check_export(annotations, name=str(annotations))
        usable, lacking = count_usable(annotations), list[str]()
    else:
        if not label_studio and not force and not store.waiting(project):
            return Outcome(REFUSED, _nothing_new(pulled=False))
        say("gathering annotations")
        gathered = gather(project, store, folder=plan.annotated, label_studio=label_studio)
        mark, lacking, usable = gathered.mark, gathered.lacking, count_usable(gathered.path)
        if not force and not store.waiting(project):
            return Outcome(REFUSED, _nothing_new(pulled=True))
    if not usable:
        return Outcome(REFUSED, "No task has an annotation that can be used; nothing was trained.")
    with log.open("a", encoding="utf8") as file:
        file.writelines(f"not in the export of Label Studio any more, so not used: {name}\n" for name in lacking)
    make_workspace(plan.workspace, root=plan.root, domain=plan.domain)
    configs = {one: config for one in store.projects() if (config := store.labeling_config(one))}
    schema = load_schema(plan.root / "configs" / "domains" / plan.domain / "schema.yml")
    fit_entry(plan.workspace, domain=plan.domain, configs=configs, seed=plan.seed, schema=schema)
    steps = make_steps(plan, current, new)
    for number, (step, *arguments) in enumerate(steps, 1):
        say(f"{step} ({number} of {len(steps)})")
        code = run_step([sys.executable, str(plan.scripts / f"{step}.py"), *arguments], cwd=plan.workspace, log=log)
        if code and step == "gate" and (reasons := _failed_gates(plan.workspace)):
            _note_read(store, project, mark)
            return Outcome(REFUSED, _refusal(reasons, current))
        if code:
            raise Ner11Error(_last_line(log, code), where=step)
    say("keeping the new version")
    version = _keep(plan, current, versions, log=log, usable=usable)
    _note_read(store, project, mark)
    clear(plan.workspace)
    return Outcome(FINISHED, f"{version.id} answers now, trained on {usable} annotated tasks beside {plan.datasets}.", version.id)


def _note_read(store: Store, project: int, mark: int | None) -> None:
    if mark is not None:
        store.set_trained(project, mark)


def run_step(command: Sequence[str], *, cwd: Path, log: Path) -> int:
    """Run a step in a process group of its own, which ends with it, and with this process if that is interrupted or dies.

    Args:
        command: The command line.
        cwd: Folder to run it in.
        log: File to add to what it prints.

    Returns:
        Its exit code; minus the signal that killed it.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            return process.wait()
        finally:  # workers of a step that was killed would wait for it for ever
            end_group(process)


def end_group(process: "subprocess.Popen[bytes]", *, grace: float = _GRACE_SECONDS) -> None:
    """End a process that leads a group, and its group: asked first, killed if it does not listen."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _nothing_new(*, pulled: bool) -> str:
    told = "" if pulled else " Set NER11_LABEL_STUDIO_URL and NER11_LABEL_STUDIO_TOKEN to have older annotations pulled."
    return f"Nothing new was annotated since the last training.{told}"


def _failed_gates(workspace: Path) -> list[str]:
    """Give the sentences of failed gates; none if the step failed for another reason."""
    path = workspace / _TRAINING / "gates.json"
    verdict = read_object(path, "verdict")["verdict"] if path.is_file() else None
    return list(verdict["reasons"]) if verdict and not verdict["may_ship"] else []


def _refusal(reasons: Sequence[str], current: ModelVersion) -> str:
    more = f" (and {len(reasons) - 1} more gates)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}; {current.id} stays."


def _last_line(log: Path, code: int) -> str:
    """Say why a step failed: in the last line that it printed, unless it was killed."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode("utf8", "replace").strip().splitlines()
    return lines[-1].removeprefix("✘").strip().rstrip(".") if lines else f"ended with exit code {code}"


def _runs_without_torch(pipeline: Path) -> bool:
    """Tell by its configuration, which lies one folder deeper in a package."""
    configs = [*pipeline.glob("config.cfg"), *pipeline.glob("*/config.cfg")]
    return any(f'factory = "{FACTORY}"' in path.read_text(encoding="utf8") for path in configs)


def _keep(plan: Plan, current: ModelVersion, versions: VersionStore, *, log: Path, usable: int) -> ModelVersion:
    """Keep the new model in the form that the current one has, with or without torch, and let it answer."""
    training = plan.workspace / _TRAINING
    pipeline, other = training / "model-best", training / "onnx"
    if _runs_without_torch(find_pipeline(current.pipeline)):
        pipeline, other = training / "onnx" / "int8", training / "model-best"
        if not pipeline.is_dir():
            raise Ner11Error("the new model cannot run without torch, but the one that answers does", where="export")
    beside = {name: training / name for name in _KEPT if (training / name).exists()}
    if other.is_dir():
        beside[other.name] = other
    f1 = read_object(training / "metrics.json", "overall")["overall"]["micro"]["f1"]
    version = versions.add(pipeline, annotations=usable, f1=f1, beside={**beside, "training.log": log})
    versions.activate(version.id, instead_of=current.id)
    versions.prune()
    return version
