"""The training loop: spaCy's own steps, with patience that waits for a first score and outputs that are never half there."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_before_to_disk_callback, create_evaluation_callback, train_while_improving, update_meta
from spacy.util import load_config, registry, resolve_dot_names
from thinc.api import fix_random_seed, require_gpu

from ner11.errors import Ner11Error
from ner11.files import replaced_dir, restore, swap_in, write_json
from ner11.training.hardware import Device

BEST = "model-best"
UNFINISHED = "unfinished"
LOG = "log.jsonl"


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
    """

    best_score: float
    best_step: int
    steps: int
    words: int
    seconds: int
    stopped_early: bool


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


def train(config_path: Path, output: Path, *, device: Device, quiet: bool = False, stdout: IO[str] = sys.stdout) -> TrainResult:
    """Train a pipeline and put it at `output/model-best`.

    While it runs, everything lies in `output/unfinished`: the best model so far and the log. Only a finished
    training takes the place of the last good model.

    Args:
        config_path: A complete training configuration.
        output: Folder of the result.
        device: The device to train on.
        quiet: Print nothing.
        stdout: Where to print.

    Returns:
        Scores and counts, also written to `output/train.json`.

    Raises:
        Ner11Error: If GPU memory runs out, or the model never predicted a right entity.
        OSError: If the disk is full.
        KeyboardInterrupt: If interrupted; the best model so far stays in `output/unfinished`.
    """
    restore(output / BEST)
    config = load_config(config_path)
    if device.is_gpu:
        require_gpu(device.gpu_id)
    nlp = init_nlp(config, use_gpu=device.gpu_id)
    with replaced_dir(output / UNFINISHED):
        pass
    try:
        result = _run(nlp, output / UNFINISHED, quiet=quiet, stdout=stdout)
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
    (output / UNFINISHED / LOG).replace(output / LOG)
    swap_in(output / UNFINISHED / BEST, output / BEST)
    (output / UNFINISHED).rmdir()
    write_json(output / "train.json", result.__dict__)
    return result


def _run(nlp: Language, folder: Path, *, quiet: bool, stdout: IO[str]) -> TrainResult:
    config = nlp.config.interpolate()
    config["training"]["logger"]["output_file"] = str(folder / LOG)
    fix_random_seed(config["training"]["seed"])
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    train_corpus, dev_corpus = resolve_dot_names(config, [settings["train_corpus"], settings["dev_corpus"]])
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])
    steps = train_while_improving(
        nlp,
        settings["optimizer"],
        _epochs(train_corpus, settings["batcher"], nlp),
        create_evaluation_callback(nlp, dev_corpus, settings["score_weights"]),
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
        for _, info, is_best in steps:
            log_step(info if is_best is not None else None)
            if is_best is None:
                continue
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
    return TrainResult(float(best_score), -step, info["step"], info["words"], info["seconds"], stopped)
