"""spaCy pipelines: ner11's own, composed as `configure` composes it, and the one that spaCy's users start from."""

import io
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import spacy
import spacy.training.loop
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.util import registry
from thinc.api import Config

import ner11.training.loop
from ner11.training.compose import WARMUP_SHARE, Wishes, compose
from ner11.training.encoder import resolve_encoder
from ner11.training.hardware import find_device

from .data import CORPUS
from .measure import Measured, peak_mib


@contextmanager
def watched(loop: Any) -> Iterator[Measured]:
    """Measure what runs through spaCy's training steps in a training loop, which is a module that imports them.

    The clock runs from the first batch to the last, without evaluations and what is done with a checkpoint.
    """
    measured = Measured()
    steps = loop.train_while_improving

    def watched_steps(nlp: Language, optimizer: Any, batches: Iterable[Any], evaluate: Any, **settings: Any) -> Iterator[Any]:
        batches = iter(batches)
        first, start, paused = next(batches), perf_counter(), 0.0

        def all_batches() -> Iterator[Any]:
            yield first
            yield from batches

        def evaluate_unclocked() -> Any:
            nonlocal paused
            begin = perf_counter()
            result = evaluate()
            paused += perf_counter() - begin
            return result

        measured.nlp = nlp
        for item in steps(nlp, optimizer, all_batches(), evaluate_unclocked, **settings):
            done = perf_counter()
            _, info, is_best = item
            measured.seconds, measured.peak_mib = done - start - paused, peak_mib()
            measured.steps, measured.words = info["step"] + 1, info["words"]
            yield item
            if is_best is not None:
                paused += perf_counter() - done

    with patch.object(loop, "train_while_improving", watched_steps):
        yield measured


def count_batches(config: Config, epochs: int, seed: int, *, shuffle: bool) -> int:
    """Count the batches of all epochs by making them.

    Args:
        config: The configuration.
        epochs: Number of epochs.
        seed: Seed of the order.
        shuffle: Whether the loop, not the corpus, orders the texts anew for every epoch.
    """
    filled = config.interpolate()
    made = registry.resolve({"corpus": filled["corpora"]["train"], "batcher": filled["training"]["batcher"]})
    nlp, rng, count = spacy.blank("en"), random.Random(seed), 0
    for _ in range(epochs):
        examples = list(made["corpus"](nlp))
        if shuffle:
            rng.shuffle(examples)
        count += sum(1 for _ in made["batcher"](examples))
    return count


def train_ours(*, configs: Path, encoder: str, head: str, precision: str | None, epochs: int, rate: float, seed: int) -> Measured:
    """Train the pipeline of ner11 in the current folder.

    Only the end of the schedule is set anew, so that it comes after the last whole epoch and nothing stops before it.

    Args:
        configs: The project's folder of configuration fragments.
        encoder: Folder of the encoder.
        head: A fragment in `configs/head`.
        precision: Precision of the encoder; None leaves what `configure` chooses.
        epochs: Number of epochs.
        rate: Peak learning rate of the encoder.
        seed: Seed of every random choice.
    """
    device = find_device("-1")
    config, _ = compose(
        configs,
        encoder=resolve_encoder(encoder, reason="chosen", encoders=Path(encoder).parent),
        head=head,
        device=device,
        wishes=Wishes(epochs=str(epochs), batch_pieces="auto", seed=seed),
        dev_words=0,
    )
    steps = count_batches(config, epochs, seed, shuffle=False)
    training, model = config["training"], config["components"]["transformer"]["model"]
    schedule = {"warmup_steps": round(steps * WARMUP_SHARE), "total_steps": steps}
    last = steps - 1  # spaCy counts them from 0
    training.update(max_steps=last, eval_frequency=last, patience=0)
    training["optimizer"]["learn_rate"].update(schedule, initial_rate=rate)
    training["logger"].update(schedule)
    if precision:
        model["precision"] = precision
    path = Path("training/config.cfg")
    config.to_disk(path)
    with watched(ner11.training.loop) as measured:
        ner11.training.loop.train(path, path.parent, device=device, quiet=True)
    measured.precision = model["precision"]
    return measured


def train_stock(*, encoder: str, epochs: int, rate: float, seed: int) -> Measured:
    """Train, in the current folder, what `spacy init config --pipeline ner --optimize accuracy --gpu` writes.

    Changed are the encoder's name, the paths, the seed, the learning rate's peak, and the ends of warm-up and training: it
    trains for a number of epochs, without patience, and evaluates once. Batches (2,000 padded tokens, of 256 texts sorted by
    length, one that fills them exactly thrown away), accumulation (3), windows, optimizer and head are spaCy's own. `--gpu` is
    what makes spaCy write a transformer; it trains on the CPU as it is.

    Args:
        encoder: Folder of the encoder.
        epochs: Number of epochs.
        rate: Peak learning rate.
        seed: Seed of every random choice.
    """
    config = init_config(lang="en", pipeline=["ner"], optimize="accuracy", gpu=True)
    config["components"]["transformer"]["model"]["name"] = encoder
    config["paths"].update(train=str(CORPUS / "train"), dev=str(CORPUS / "dev"))
    config["system"]["seed"] = seed
    steps = count_batches(config, epochs, seed, shuffle=True)
    config["training"].update(max_epochs=epochs, max_steps=0, eval_frequency=steps, patience=0)
    learn_rate = {"initial_rate": rate, "warmup_steps": round(steps * WARMUP_SHARE), "total_steps": steps}
    config["training"]["optimizer"]["learn_rate"].update(learn_rate)
    nlp = init_nlp(config)
    with watched(spacy.training.loop) as measured:
        spacy.training.loop.train(nlp, Path("training"), stdout=io.StringIO(), stderr=io.StringIO())
    return measured
