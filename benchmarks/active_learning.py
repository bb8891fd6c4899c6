"""Simulate active learning on labelled pools: which strategy finds more with the same number of annotated tokens.

python benchmarks/active_learning.py run                 # cyner, all strategies, 5 seeds; goes on where it was stopped
python benchmarks/active_learning.py run --data annoctr
python benchmarks/active_learning.py transfer
"""

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import Printer

from ner11.active.strategies import RANDOM, STRATEGIES
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.files import write_json

PROJECT = Path(__file__).parents[1]
OUT = PROJECT / "benchmarks/results/active.json"
CURVES = PROJECT / "training/active/curves.jsonl"
MATCHED_STRATEGIES = ("least-confidence", "margin", "mnlp")
"""Strategies with a control of their own: random texts of the same lengths."""
MIXED_STRATEGIES = ("margin",)
LEARNER, OTHER = "third-layer", "all-layers"
app = typer.Typer(add_completion=False, help=__doc__)

Curve = dict[str, Any]
Curves = Annotated[Path, typer.Option(help="Where finished curves are kept, one a line.")]


def read_curves(path: Path) -> list[Curve]:
    """Read the finished curves; a line that a kill cut off is no curve."""
    lines = path.read_text(encoding="utf8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _append(path: Path, curve: Curve) -> None:
    """Write a line in one piece, so that several processes may."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = "\n" + json.dumps(curve, separators=(",", ":"))  # in front: what a kill cut off stays a line of its own
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def list_curves() -> list[str]:
    """Name the curves of a seed, those first whose lengths others match."""
    from active.curves import ALL, MATCHED, MIXED

    mixed = [name + MIXED for name in MIXED_STRATEGIES]
    ordered = [RANDOM, *(name for name in STRATEGIES if name != RANDOM)]
    return [ALL, *ordered, *mixed, *(MATCHED + name for name in MATCHED_STRATEGIES)]


def _work(job: tuple[str, int, list[str], int, Path]) -> str:
    """Run the curves of a seed in a process of its own, on one thread: two such are faster than one on two threads."""
    import torch
    from active.curves import MATCHED, Simulation

    data, seed, names, rounds, path = job
    torch.set_num_threads(1)
    simulation = Simulation(PROJECT, data, LEARNER, rounds=rounds)
    own = simulation.bench.data
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in own.removed.items())
    print(f"{data}, seed {seed}: {len(own.pool):,} texts ({reasons}), {len(own.test):,} to test on", flush=True)
    finished = {c["strategy"]: c for c in read_curves(path) if (c["data"], c["seed"], c["learner"]) == (data, seed, LEARNER)}
    for name in names:
        if name in finished:
            continue
        source = finished.get(name.removeprefix(MATCHED), {})
        curve = simulation.run(name, seed, matched=source.get("lengths", ()))
        _append(path, curve)
        finished[name] = curve
        scores = " ".join(map(percent, curve["f1"]))
        print(f"{time.strftime('%H:%M:%S')} {data} {name} {seed}: {scores} ({curve['seconds']:.0f} s)", flush=True)
    return f"{data}, seed {seed}"


def _jobs(data: str, seeds: int, names: list[str], rounds: int, path: Path) -> Iterator[Any]:
    for name in data.split(","):
        for seed in range(seeds):
            yield name, seed, names, rounds, path


@app.command()
def run(
    data: Annotated[str, typer.Option(help="Pools, separated by commas: cyner, annoctr.")] = "cyner",
    strategies: Annotated[str, typer.Option(help="Curves, separated by commas; all if empty.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 5,
    rounds: Annotated[int, typer.Option(min=2, help="Points of a curve.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    curves: Curves = CURVES,
    out: Annotated[Path, typer.Option(help="Where the summary is written.")] = OUT,
) -> None:
    """Run all curves that are not finished, and summarize."""
    from active.summary import summarize

    names = strategies.split(",") if strategies else list_curves()
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        for done in pool.imap_unordered(_work, _jobs(data, seeds, names, rounds, curves), chunksize=1):
            Printer().good(f"Finished: {done}")
    write_json(out, summarize(read_curves(curves)))


@app.command()
def transfer(
    strategies: Annotated[str, typer.Option(help="Strategies whose texts are used, separated by commas.")] = f"{RANDOM},margin",
    data: Annotated[str, typer.Option(help="The pool.")] = "cyner",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
    curves: Curves = CURVES,
    out: Annotated[Path, typer.Option(help="Where the summary is written.")] = OUT,
) -> None:
    """Train another learner on the texts that finished curves chose, and on the whole pool."""
    import torch
    from active.curves import ALL, Simulation
    from active.summary import summarize

    torch.set_num_threads(threads)
    simulation = Simulation(PROJECT, data, OTHER, rounds=1)
    found = read_curves(curves)
    done = {(c["strategy"], c["seed"]) for c in found if c["data"] == data and c["learner"] == OTHER}
    for seed in range(seeds):
        for name in (ALL, *strategies.split(",")):
            key = data, name, seed, LEARNER
            sources = [c for c in found if (c["data"], c["strategy"], c["seed"], c["learner"]) == key]
            if (name, seed) in done or not sources:
                continue
            curve = simulation.train_on([i for point in sources[0]["rounds"] for i in point["chosen"]], name, seed)
            _append(curves, curve)
            Printer().good(f"{name}, seed {seed}: F1 {percent(curve['f1'][0])} ({curve['seconds']:.0f} s)")
    write_json(out, summarize(read_curves(curves)))


@app.command("summarize")
def summarize_curves(curves: Curves = CURVES, out: Path = OUT) -> None:
    """Summarize the finished curves anew."""
    from active.summary import summarize

    write_json(out, summarize(read_curves(curves)))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        app()
    except Ner11Error as e:
        Printer().fail(str(e), exits=1)
