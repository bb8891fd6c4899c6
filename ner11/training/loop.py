"""The training loop: spaCy's own steps, with patience that waits for a first score and outputs that are never half there."""

import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import IO, Any

import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_before_to_disk_callback, create_evaluation_callback, train_while_improving, update_meta
from spacy.util import load_config, load_model, minibatch, registry, resolve_dot_names
from thinc.api import Optimizer, fix_random_seed, require_gpu

from ner11.errors import Ner11Error
from ner11.files import replaced_dir, restore, swap_in, write_json
from ner11.training.hardware import Device, EnergyMeter
from ner11.training.logger import ROW

BEST = "model-best"
UNFINISHED = "unfinished"
LOG = "log.jsonl"
_COMPONENT = "softmax_ner:"
"""What the messages of our component begin with. It travels in the packaged model and knows no error of ours."""
_MISFIT = "Shape mismatch"
"""What thinc says when a stock head meets an encoder of another width."""

Evaluate = Callable[[], tuple[float, dict[str, Any]]]


@dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Attributes:
        best_score: Best score on dev, 0 to 1.
        best_step: Step of that score.
        steps: Steps done.
        words: Tokens seen.
        seconds: Time, evaluations included.
        stopped_early: Whether patience ended it.
        joules: Energy, as `EnergyMeter` adds it up; None where nothing counts it.
    """

    best_score: float
    best_step: int
    steps: int
    words: int
    seconds: int
    stopped_early: bool
    joules: float | None = None


def is_out_of_patience(results: list[tuple[float, int]], *, step: int, patience: int) -> bool:
    """Tell whether to stop early.

    Args:
        results: (score, step) of every evaluation so far.
        step: The current step.
        patience: Steps without a better score; 0 never stops.

    Returns:
        True if the best score is older than `patience` steps. A score that is no better than that of the untrained model,
        at step 0, is no score: while the model has found nothing yet, it has not stopped improving.
    """
    untrained = max((score for score, at in results if at == 0), default=0.0)
    scored = [(score, -at) for score, at in results if score > untrained]
    return bool(patience and scored and step + max(scored)[1] >= patience)


def _epochs(corpus: Any, batcher: Any, nlp: Language) -> Iterator[tuple[int, list[Example]]]:
    """Yield (epoch, batch) without end; unlike spaCy's own, every epoch draws anew from the corpus."""
    for epoch in count():
        batches = 0
        for batch in batcher(corpus(nlp)):
            batches += 1
            yield epoch, batch
        if not batches:
            raise Ner11Error("no training texts", where="corpus", fix="Run convert and merge first")


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    """Turn what our component complains about, and layers that do not fit, into the one line of a user's mistake."""
    try:
        yield
    except ValueError as e:
        if str(e).startswith(_COMPONENT):
            raise Ner11Error(str(e).removeprefix(_COMPONENT).strip().rstrip("."), where=where) from e
        if str(e).startswith(_MISFIT):
            fix = "Set the width of components.ner.model.tok2vec to that of the encoder, or run configure again"
            raise Ner11Error(f"the head does not fit the encoder ({e})", where=where, fix=fix) from e
        raise


class _TimedEvaluation:
    """Evaluates, keeps the time that it takes, and refuses a dev split on which nothing can be scored."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self.seconds = 0.0

    def __call__(self) -> tuple[float, dict[str, Any]]:
        started = perf_counter()
        score, scores = self._evaluate()
        self.seconds += perf_counter() - started
        if scores.get("ents_gold") == 0:
            raise Ner11Error(
                "no entities on dev, so no model is better than another", where="corpus", fix="Give dev annotated texts"
            )
        return score, scores


def _follow(steps: Iterator[Any], optimizer: Optimizer, evaluation: _TimedEvaluation) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield (info, whether it was evaluated) of each step, with training time, gradient norm and learning rate added.

    Raises:
        Ner11Error: If a loss is no number any more, or the component cannot learn from the data.
    """
    seconds = 0.0
    for step in count():
        started, evaluated = perf_counter(), evaluation.seconds
        with _one_line(f"train, step {step}"):
            done = next(steps, None)
        if done is None:
            return
        _, info, is_best = done
        seconds += perf_counter() - started - (evaluation.seconds - evaluated)
        for name, loss in info["losses"].items():
            if not math.isfinite(loss):
                raise Ner11Error(
                    f"the loss of '{name}' is {float(loss)}; the last good model stays",
                    where=f"train, step {step}",
                    fix="Lower initial_rate in training.optimizer.learn_rate, warm up longer, or run with --vars.precision fp32",
                )
        if is_best is not None:
            norm = optimizer.pop_gradient_norm() if hasattr(optimizer, "pop_gradient_norm") else None
            info.update(training_seconds=seconds, gradient_norm=norm, learning_rate=float(optimizer.learn_rate))
        yield info, is_best is not None


def train(
    config_path: Path,
    output: Path,
    *,
    device: Device,
    quiet: bool = False,
    stdout: IO[str] = sys.stdout,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> TrainResult:
    """Train a pipeline and put it at `output/model-best`.

    While it runs, everything lies in `output/unfinished`: the best model so far and the log. Only a finished
    training takes the place of the last good model.

    Args:
        config_path: A complete training configuration.
        output: Folder of the result.
        device: The device to train on.
        quiet: Print nothing.
        stdout: Where to print.
        on_row: Called with every row that the logger logs.

    Returns:
        Scores and counts, also written to `output/train.json`.

    Raises:
        Ner11Error: If GPU memory runs out, the data do not fit the model, a loss is no number any more, or the model never
            predicted a right entity.
        CollapseError: If the model keeps predicting nothing.
        OSError: If the disk is full.
        KeyboardInterrupt: If interrupted; the best model so far stays in `output/unfinished`.
    """
    restore(output / BEST)
    config = load_config(config_path)
    if device.is_gpu:
        require_gpu(device.gpu_id)
    with _one_line("train"):
        nlp = init_nlp(config, use_gpu=device.gpu_id)
    if not any(nlp.pipe_labels.values()):
        raise Ner11Error("no entities in the training texts", where="corpus", fix="Look at corpus/merged/ledger.json")
    with replaced_dir(output / UNFINISHED):
        pass
    try:
        result = _run(nlp, output / UNFINISHED, meter=EnergyMeter(device), quiet=quiet, stdout=stdout, on_row=on_row)
    except torch.OutOfMemoryError as e:
        pieces = config["training"]["batcher"]["max_padded_pieces"] // config["training"]["accumulate_gradient"]
        raise Ner11Error(
            f"GPU memory ran out with batches of {pieces} padded word pieces",
            where="train",
            fix=f"Run again with --vars.batch_pieces {max(64, pieces // 2)}; gradients are accumulated to keep the step size",
        ) from e
    if result.best_score == 0:
        raise Ner11Error(
            f"no right entity on dev after {result.steps} steps; the last good model stays",
            where="train",
            fix="Look at the losses in training/unfinished/log.jsonl; train longer, or check corpus/merged/ledger.json",
        )
    calibrated = [name for name, pipe in nlp.pipeline if hasattr(pipe, "fit_temperature")]
    del nlp  # a second model is about to be loaded
    if calibrated:
        _fit_temperatures(output / UNFINISHED / BEST, calibrated)
    (output / UNFINISHED / LOG).replace(output / LOG)
    swap_in(output / UNFINISHED / BEST, output / BEST)
    (output / UNFINISHED).rmdir()
    write_json(output / "train.json", result.__dict__)
    return result


def _run(
    nlp: Language,
    folder: Path,
    *,
    meter: EnergyMeter,
    quiet: bool,
    stdout: IO[str],
    on_row: Callable[[dict[str, Any]], None] | None,
) -> TrainResult:
    config = nlp.config.interpolate()
    config["training"]["logger"]["output_file"] = str(folder / LOG)
    fix_random_seed(config["training"]["seed"])
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    train_corpus, dev_corpus = resolve_dot_names(config, [settings["train_corpus"], settings["dev_corpus"]])
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])
    evaluation = _TimedEvaluation(create_evaluation_callback(nlp, dev_corpus, settings["score_weights"]))
    steps = train_while_improving(
        nlp,
        settings["optimizer"],
        _epochs(train_corpus, settings["batcher"], nlp),
        evaluation,
        dropout=settings["dropout"],
        accumulate_gradient=settings["accumulate_gradient"],
        patience=0,
        max_steps=settings["max_steps"],
        eval_frequency=settings["eval_frequency"],
        exclude=settings["frozen_components"],
        annotating_components=settings["annotating_components"],
        before_update=settings["before_update"],
    )
    silent = io.StringIO()
    log_step, finalize = settings["logger"](nlp, silent if quiet else stdout, silent if quiet else sys.stderr)
    stopped, best = False, 0.0
    info: dict[str, Any] = {}
    try:
        for info, evaluated in _follow(steps, settings["optimizer"], evaluation):
            log_step(info if evaluated else None)
            if not evaluated:
                continue
            meter.read()  # often enough to see its counters begin anew
            if on_row and ROW in info:
                on_row(info[ROW])
            update_meta(settings, nlp, info)
            if info["step"] and info["score"] > best:
                best = info["score"]
                with replaced_dir(folder / BEST) as partial, nlp.use_params(settings["optimizer"].averages):
                    before_to_disk(nlp).to_disk(partial)
            stopped = is_out_of_patience(info["checkpoints"], step=info["step"], patience=settings["patience"])
            if stopped:
                break
    finally:
        finalize()
    best_score, step = max(((score, -step) for score, step in info["checkpoints"] if step), default=(0.0, 0))
    return TrainResult(float(best_score), -step, info["step"], info["words"], info["seconds"], stopped, meter.read())


def _fit_temperatures(path: Path, names: Sequence[str]) -> None:
    """Calibrate the components of a saved pipeline on its dev corpus, and save it again."""
    nlp = load_model(path)
    config = nlp.config.interpolate()
    (dev_corpus,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    for name in names:
        with _one_line("train"):
            nlp.get_pipe(name).fit_temperature(_annotate(nlp, dev_corpus(nlp), before=name))  # type: ignore[attr-defined]
    with replaced_dir(path) as partial:
        nlp.to_disk(partial)


def _annotate(nlp: Language, examples: Iterable[Example], *, before: str) -> Iterator[Example]:
    """Run the components before one over examples, in batches: what an encoder leaves on documents is large."""
    disabled = nlp.pipe_names[nlp.pipe_names.index(before) :]
    for batch in minibatch(examples, nlp.batch_size):
        docs = nlp.pipe([example.predicted for example in batch], disable=disabled)
        for doc, example in zip(docs, batch, strict=True):
            yield Example(doc, example.reference)
