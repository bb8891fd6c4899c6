"""Training speed, memory and F1 of ner11 beside stock spaCy and `transformers.Trainer`: same encoder, data, epochs and rate.

Run it from the project's folder, after `spacy project run encoder --vars.encoder minilm` and with the data sets there:
python benchmarks/training.py [--sources cyner,wnut17] [--systems ours,ours-fp32,stock,trainer] [--epochs 3] [--seeds 0,1,2]
It writes benchmarks/results/training.json after every run; started again, it goes on with what is not there yet.

- ours: `configs/` as `configure` composes it for a CPU, softmax head; -fp32 without autocast, -transition with spaCy's head.
- stock: what `spacy init config --pipeline ner --optimize accuracy --gpu` writes; see `peers.pipelines.train_stock`.
- trainer: `transformers.Trainer` with its defaults, batches of 16 in random order, padded batch by batch, texts cut off at 512
  pieces; -grouped with texts of like length together (`group_by_length`, which is not the default), -bf16 with bf16 autocast.

All have a linear warm-up over a tenth of the steps, then a linear decay to zero. Each run has a process of its own. Seconds are
those of the steps, without loading, evaluation and saving; words are the tokens that went through them. Peak memory is what
the process needed until the last step, Python and libraries included (spaCy in all of them, for it holds the texts).
The model of the last step is scored on the official test set; nothing is chosen on dev.
"""

import os
import platform
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from peers.data import read_split_docs, write_corpus
from peers.measure import Measured, peak_mib
from wasabi import Printer

from ner11.datasets import load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.files import read_json, write_json

PROJECT = Path(__file__).resolve().parents[1]
DATASETS = PROJECT / "configs" / "domains" / "cyber" / "datasets.yml"
OURS: dict[str, dict[str, Any]] = {
    "ours": {"head": "softmax", "precision": None},
    "ours-fp32": {"head": "softmax", "precision": "fp32"},
    "ours-transition": {"head": "transition", "precision": None},
}
TRAINERS: dict[str, dict[str, Any]] = {
    "trainer": {},
    "trainer-grouped": {"group_by_length": True},
    "trainer-bf16": {"bf16": True},
}
SYSTEMS = (*OURS, "stock", *TRAINERS)


@dataclass(frozen=True)
class Settings:
    """What all systems share."""

    encoder: str
    epochs: int
    rate: float
    limit: int


@dataclass(frozen=True)
class Job:
    """One training."""

    source: str
    system: str
    seed: int


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> dict[str, str | int]:
    """Give what the figures depend on."""
    import torch

    versions = {name: version(name).split("+")[0] for name in ("torch", "spacy", "spacy-transformers", "transformers")}
    return {"processor": _processor(), "cores": os.cpu_count() or 0, "threads": torch.get_num_threads(), **versions}


def _train(job: Job, settings: Settings, folder: Path) -> tuple[Measured, list[Any], list[Any]]:
    """Train and predict; give the measurements and the test documents, annotated and predicted."""
    import spacy

    vocab = spacy.blank("en").vocab
    test = read_split_docs(folder, "test", vocab)
    shared: dict[str, Any] = {"encoder": settings.encoder, "epochs": settings.epochs, "rate": settings.rate, "seed": job.seed}
    if job.system in TRAINERS:
        from peers.finetuning import fine_tune

        train = read_split_docs(folder, "train", vocab)
        tuned = fine_tune(train, use_cpu=True, **shared, **TRAINERS[job.system])
        words = sum(map(len, train)) * settings.epochs
        precision = "bf16" if "bf16" in TRAINERS[job.system] else "fp32"
        measured = Measured(None, tuned.seconds, tuned.steps, words, peak_mib(), precision)
        return measured, test, list(tuned.predict(test))
    from peers.pipelines import train_ours, train_stock

    if job.system in OURS:
        measured = train_ours(configs=PROJECT / "configs", **shared, **OURS[job.system])
    else:
        measured = train_stock(**shared)
    return measured, test, list(measured.nlp.pipe(doc.text for doc in test))


def measure(job: Job, settings: Settings, folder: Path) -> dict[str, Any]:
    """Train and score in this process, in a folder of its own beside the corpus.

    Returns:
        A row of the results.
    """
    from ner11.evaluation.figures import figures
    from ner11.pipeline.scoring import compare, count_labels, total

    with tempfile.TemporaryDirectory(dir=folder) as place:
        (Path(place) / "corpus").symlink_to(folder / "corpus")
        (Path(place) / "training").mkdir()
        os.chdir(place)
        measured, test, predicted = _train(job, settings, folder)
        os.chdir(folder)
    counts = count_labels(compare(gold, doc) for gold, doc in zip(test, predicted, strict=True))
    micro = figures(total(counts.values()))
    return {
        **asdict(job),
        "steps": measured.steps,
        "words": measured.words,
        "seconds": measured.seconds,
        "words_per_second": measured.words / measured.seconds,
        "peak_mib": measured.peak_mib,
        "encoder_precision": measured.precision,
        "test_texts": len(test),
        **{key: micro[key] for key in ("precision", "recall", "f1", "support")},
    }


def open_results(out: Path, settings: Settings) -> dict[str, Any]:
    """Start the results, or take those up that were measured here with the same settings."""
    named = {**asdict(settings), "encoder": Path(settings.encoder).name}
    new: dict[str, Any] = {"machine": machine(), "settings": named, "runs": []}
    if not out.is_file():
        return new
    old: dict[str, Any] = read_json(out)
    for part in ("machine", "settings"):
        if old[part] != new[part]:
            differs = ", ".join(key for key in new[part] if old[part].get(key) != new[part][key])
            raise Ner11Error(
                f"was measured with another {differs}", where=out, fix="Delete it to start anew, or give another --out"
            )
    return old


def main(
    sources: Annotated[str, typer.Option(help="Data sets with a train and a test split, separated by commas.")] = "cyner,wnut17",
    systems: Annotated[str, typer.Option(help=f"Separated by commas: {', '.join(SYSTEMS)}.")] = "ours,ours-fp32,stock,trainer",
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs.")] = 3,
    seeds: Annotated[str, typer.Option(help="Seeds separated by commas.")] = "0,1,2",
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate of the encoder.")] = 3e-4,
    encoder: Annotated[Path, typer.Option(help="Folder of the encoder.")] = Path("assets/encoders/minilm"),
    limit: Annotated[int, typer.Option(min=0, help="Texts of train and of test, for a trial; 0 takes all.")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path("benchmarks/results/training.json"),
) -> None:
    """Train every system on every data set with every seed, one after the other, and write what was measured."""
    msg = Printer()
    if unknown := sorted(set(systems.split(",")) - set(SYSTEMS)):
        raise Ner11Error(f"unknown system '{unknown[0]}'", where="systems", fix=f"Choose from {', '.join(SYSTEMS)}")
    present, missing = select_datasets(load_datasets(DATASETS), sources, root=PROJECT)
    if missing:
        raise Ner11Error(f"'{missing[0].name}' is not there", where="sources", fix="Fetch it ('spacy project assets --extra')")
    settings = Settings(str(encoder.resolve()), epochs, rate, limit)
    results = open_results(out, settings)
    done = {(row["source"], row["system"], row["seed"]) for row in results["runs"]}
    with tempfile.TemporaryDirectory(prefix="training-") as temporary:
        for dataset in present:
            write_corpus(dataset, Path(temporary) / dataset.name, root=PROJECT, limit=limit)
        # Systems in the inner loop: what is compared runs one after the other, in the same state of the machine.
        jobs = [
            Job(name.name, system, int(seed)) for seed in seeds.split(",") for name in present for system in systems.split(",")
        ]
        failed = 0
        for job in jobs:
            what = f"{job.source}, {job.system}, seed {job.seed}"
            if (job.source, job.system, job.seed) in done:
                msg.info(f"{what}: already there")
                continue
            try:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    row = pool.submit(measure, job, settings, Path(temporary) / job.source).result()
            except (BrokenProcessPool, Ner11Error) as e:  # a process that is killed, mostly for memory, breaks the pool
                msg.fail(f"{what}: {e}")
                failed += 1
                continue
            results["runs"].append(row)
            write_json(out, results)
            rate_, peak, f1 = row["words_per_second"], row["peak_mib"], row["f1"] or 0.0
            msg.good(f"{what}: {rate_:,.0f} words/s in {row['seconds']:.0f} s, peak {peak:,.0f} MiB, test F1 {100 * f1:.2f}")
    if failed:
        raise Ner11Error(f"{failed} of {len(jobs)} trainings failed", where=out, fix="Run it again for those alone")


if __name__ == "__main__":
    try:
        typer.run(main)
    except Ner11Error as e:
        sys.exit(str(e))
