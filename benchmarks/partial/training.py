"""One training of one variant, as a user would do it, and its scores."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc
from thinc.api import Config

from ner11.corpus.shards import read_docs, write_docs
from ner11.errors import Ner11Error
from ner11.files import clear
from ner11.training.hardware import configured_device
from ner11.training.loop import train
from partial.scores import score
from partial.transform import count_training, flatten, is_short
from partial.variants import RARE, Variant

DEV_TEXTS = 40
"""Training texts that stand for dev where no choice is made on it: the loop wants some."""


def read_split(work: Path, split: str) -> list[Doc]:
    """Read a split of the prepared corpus.

    Raises:
        Ner11Error: If it is not there.
    """
    docs = list(read_docs(work / split, spacy.blank("en").vocab))
    if not docs:
        raise Ner11Error("no prepared corpus", where=work / split, fix="Run 'python benchmarks/partial_labels.py prepare' first")
    return docs


def list_tests(variant: Variant, work: Path) -> dict[str, list[Doc]]:
    """Give the texts of each test set.

    The official test sets; the dev documents of a source without one, which no training or choice has seen.
    """
    test, dev = read_split(work, "test"), read_split(work, "dev")
    official = {doc.user_data["source"] for doc in test}
    docs = test + [doc for doc in dev if doc.user_data["source"] not in official]
    tests: dict[str, list[Doc]] = {}
    for doc in docs:
        tests.setdefault(doc.user_data["source"], []).append(doc)
    if variant.experiment == "halves":
        return {source: flatten(tests[source]) for source in variant.sources}
    if variant.experiment == "gold":
        gold = tests["gold"]
        long = [doc for doc in gold if not is_short(doc)]
        return {"gold": gold, "gold, short texts": [doc for doc in gold if is_short(doc)], "gold, documents": long}
    return tests


def _take(docs: Sequence[Doc], variant: Variant) -> list[Doc]:
    return [doc for doc in docs if not variant.sources or doc.user_data["source"] in variant.sources]


def write_corpus(variant: Variant, work: Path, folder: Path) -> list[Doc]:
    """Write the training texts of a variant and its dev texts, and give the former."""
    train_docs = _take(read_split(work, "train"), variant)
    if not train_docs:
        raise Ner11Error(f"no training texts of {', '.join(variant.sources)}", where=work / "train", fix="Prepare with it")
    made = variant.make(train_docs)
    dev = made[:DEV_TEXTS]
    if variant.experiment == "gold":  # the temperature is fitted on it
        dev = _take(read_split(work, "dev"), variant)
    write_docs(dev, folder / "dev")
    write_docs(variant.schedule(train_docs) if variant.schedule else made, folder / "train")
    return made


def configure(variant: Variant, project: Path, folder: Path, *, epochs: str, seed: int) -> Path:
    """Compose the training configuration by the project's own command, and give its path.

    It is changed in the loss, where the variant has another, and in that there is no early stopping and one evaluation, at the
    end: the last model is the result.
    """
    for name in ("configs", "assets"):
        (folder / name).symlink_to((project / name).resolve())
    command = [sys.executable, str(project / "scripts" / "configure.py"), "--head", variant.head, "--gpu-id", "-1"]
    command += ["--epochs", epochs, "--seed", str(seed), "--quiet"]
    if subprocess.run(command, cwd=folder).returncode:
        raise Ner11Error("could not be configured", where=variant.name)
    path = folder / "training" / "config.cfg"
    config = Config().from_disk(path, interpolate=False)
    ner = config["components"]["ner"]
    if variant.loss:
        ner["loss"] = variant.loss if "@losses" in variant.loss else {**ner["loss"], **variant.loss}
    config["training"].update(eval_frequency=config["training"]["max_steps"], patience=0)
    config.to_disk(path)
    return path


def train_variant(variant: Variant, *, project: Path, work: Path, epochs: str, seed: int) -> dict[str, Any]:
    """Train a variant and score its last model.

    Args:
        variant: What to train.
        project: The project's folder, with an encoder fetched.
        work: Folder of the prepared corpus.
        epochs: Epochs, or "auto".
        seed: Seed of the training.

    Returns:
        `variant`, `seed`, `epochs`, `steps`, `words` and `words_per_second` of training, `train_texts`, `rare` (labels with
        few training spans), and `tests` as `score` gives them.
    """
    folder = work / "models" / f"{variant.name.replace(':', '-')}-{seed}"
    clear(folder)
    made = write_corpus(variant, work, folder / "corpus" / "merged")
    config = configure(variant, project, folder, epochs=epochs, seed=seed)
    write_docs(made, folder / "corpus" / "merged" / "train")
    os.chdir(folder)  # the paths in the configuration are relative
    result = train(config, Path("training"), device=configured_device(config), quiet=True)
    nlp = spacy.load(Path("training") / "model-best")
    tests = {name: score(nlp, docs) for name, docs in list_tests(variant, work).items()}
    os.chdir(project)
    clear(folder)
    counts = count_training(made)
    return {
        "variant": variant.name,
        "seed": seed,
        "epochs": epochs,
        "steps": result.steps,
        "words": result.words,
        "words_per_second": result.words / max(result.seconds, 1),
        "train_texts": dict(sorted(Counter(doc.user_data["source"] for doc in made).items())),
        "rare": [label for label, count in counts.items() if count < RARE] if variant.experiment == "gold" else [],
        "tests": tests,
    }
