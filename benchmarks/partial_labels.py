"""The proof of partial labels: one training a variant on the same texts, the same steps, the same encoder.

    python scripts/encoder.py --encoder minilm
    python benchmarks/partial_labels.py prepare
    python benchmarks/partial_labels.py run --variants merged,alone:cyner,alone:annoctr,alone:aptner,alone:gold --epochs 2
    python benchmarks/partial_labels.py run --variants halves --epochs 3
    python benchmarks/partial_labels.py run --variants gold --epochs auto

Run it from the project's folder. Experiments (`benchmarks/partial/variants.py` has their variants):
- `merged`: cyner, annoctr, aptner and the gold set as one corpus: `naive` (O is O everywhere; a set of labels is a label of its
  own), `sets` (allowed sets in the loss over sequences), one half of that each (`coverage-only`, `granularity-only`), sets in a
  loss over single tokens (`per-token`), naive with the stock head (`naive-transition`), each source by itself (`alone:SOURCE`).
- `halves`: aptner, its annotation taken as complete, cut in two halves of documents that each keep half of the labels;
  `full` keeps all.
- `gold`: the gold set alone: class weights, focal loss, label smoothing; and without its short texts.

For all data sets: `prepare --datasets present --work corpus/partial-all`, then `run --variants naive,sets` with that `--work` and
an `--out` of its own.

Steps are fixed and the last model is scored: no choice is made on dev. Test sets are the official ones; annoctr has none that is
public, so its dev documents, which are in no training, stand for it. Scores count only what a document covers. The 95%
intervals come from resampling documents; cyner and aptner mark none, so blocks of 20 consecutive sentences stand for
them. A run keeps its counts in the work folder as it finishes: an interrupted command goes on where it was, and
two commands can run side by side.
"""

import os
import platform
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import spacy
import typer
from partial.scores import collect
from partial.training import train_variant
from partial.transform import sample
from partial.variants import expand, find_variant
from wasabi import Printer

from ner11.corpus.shards import read_docs, write_docs
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.files import read_json, write_json

PROJECT = Path.cwd()
DATASETS = "gold,cyner,annoctr,aptner"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Work = Annotated[Path, typer.Option(help="Folder of the prepared corpus and of finished runs.")]
WORK = Path("corpus/partial")


@app.command()
def prepare(
    work: Work = WORK,
    datasets: Annotated[str, typer.Option(help="Names separated by commas, or 'present' for all that are there.")] = DATASETS,
    max_words: Annotated[int, typer.Option(min=0, help="Training words of a source, in whole documents; 0 takes all.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
) -> None:
    """Convert and merge the data sets into the work folder, and draw the training texts that all variants share."""
    msg = Printer()
    place = work / "project"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("configs", "assets"):
        (place / name).unlink(missing_ok=True)
        (place / name).symlink_to((PROJECT / name).resolve())
    for name, options in (("convert", ["--datasets", datasets]), ("merge", [])):
        script = PROJECT / "scripts" / f"{name}.py"
        subprocess.run([sys.executable, str(script), *options, "--quiet"], cwd=place, check=True)
    vocab = spacy.blank("en").vocab
    sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for split in ("train", "dev", "test"):
        docs = list(read_docs(place / "corpus" / "merged" / split, vocab))
        docs = sample(docs, max_words, seed=seed) if split == "train" else docs
        write_docs(docs, work / split)
        for doc in docs:
            counts = sizes[doc.user_data["source"]]
            counts[split] = counts.get(split, 0) + len(doc)
    write_json(work / "words.json", sizes)
    rows = [(source, *(f"{counts.get(split, 0):,}" for split in ("train", "dev", "test"))) for source, counts in sizes.items()]
    msg.table(sorted(rows), header=("words", "train", "dev", "test"), divider=True, aligns=("l", "r", "r", "r"))


def _path(work: Path, variant: str, seed: int) -> Path:
    return work / "runs" / f"{variant.replace(':', '-')}-{seed}.json"


def _machine() -> dict[str, Any]:
    import torch

    return {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}


@app.command(hidden=True)
def one(name: str, epochs: str, seed: int, work: Path) -> None:
    """Train and score one variant, in this process."""
    result = train_variant(find_variant(name), project=PROJECT, work=work.resolve(), epochs=epochs, seed=seed)
    write_json(_path(work, name, seed), {**result, "machine": _machine()})


def write_results(work: Path, out: Path) -> dict[str, Any]:
    """Summarize all finished runs, write the summary to `out`, and give it."""
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((work / "runs").glob("*.json")):
        run = read_json(path)
        runs[run["variant"]].append(run)
    summary = {}
    for name, own in runs.items():
        variant = find_variant(name)
        baseline = runs.get(variant.baseline, [])
        rare = (baseline or own)[0]["rare"]
        summary[name] = {
            "baseline": variant.baseline,
            "experiment": variant.experiment,
            **collect(own, baseline=baseline, rare=rare),
        }
    machine: dict[str, Any] = next((own[0]["machine"] for own in runs.values()), {})
    encoder = read_json(PROJECT / "assets" / "encoders" / "selected.json")["name"]
    found = {"encoder": encoder, "machine": machine, "words": read_json(work / "words.json"), "variants": summary}
    write_json(out, found)
    return found


@app.command()
def run(
    variants: Annotated[str, typer.Option(help="Names of variants or experiments, separated by commas.")] = "merged",
    epochs: Annotated[str, typer.Option(help="Epochs, or auto.")] = "2",
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    threads: Annotated[int, typer.Option(min=0, help="Threads of a training; 0 takes all.")] = 0,
    work: Work = WORK,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path("benchmarks/results/partial.json"),
) -> None:
    """Train and score variants, each in a process of its own, and summarize all that have finished."""
    msg = Printer()
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    for seed in map(int, seeds.split(",")):
        for variant in expand(variants):
            path = _path(work, variant.name, seed)
            if path.is_file() and read_json(path)["epochs"] == epochs:
                msg.info(f"{variant.name}, seed {seed}: finished before; delete {path} to run it again")
                continue
            start = perf_counter()
            command = [sys.executable, __file__, "one", variant.name, epochs, str(seed), str(work)]
            if subprocess.run(command, env=environment).returncode:
                msg.fail(f"{variant.name}, seed {seed}: failed")
                continue
            found = write_results(work, out)["variants"][variant.name]
            scores = ", ".join(f"{test} {percent(row['f1']['value'])}" for test, row in found["tests"].items())
            speed = f"{found['words_per_second'][-1]:,.0f} words/s, {perf_counter() - start:.0f} s in all"
            msg.good(f"{variant.name}, seed {seed}: F1 {scores} ({speed})")
    write_results(work, out)


if __name__ == "__main__":
    try:
        app()
    except Ner11Error as e:
        Printer().fail(str(e), exits=1)
