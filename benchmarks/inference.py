"""Inference: speed, latency, memory and loading time of the wheels beside stock spaCy and the `transformers` pipeline.

Run it from the project's folder, after `spacy project run train` and `spacy project run export`, with nothing else running:
python benchmarks/inference.py [--systems torch,onnx-fp32,onnx-int8,stock,transformers] [--sets short,wnut17,cyner,long] [--quick]
It writes benchmarks/results/inference.json.

One fine-tuned encoder behind five interfaces, all loaded from disk: the trained pipeline (`torch`), its two exports without torch
(`onnx-fp32`, `onnx-int8`), what `spacy init config` writes (`stock`) and a `token-classification` pipeline (`transformers`); see
`peers.inference_systems`. All read the same texts in the same random order: test sets of public data, and 10,000 short and 200
long ones that are made (`peers.inference_texts`).

Every system has a process of its own for every number of threads, which is also the number of cores that it may use, and for
every round; systems take turns. A process reads a set from its first text on, in whole batches, until its time is over, so that a
slow system sees only the first texts; a batch that takes the time of all rounds is not repeated. Words are spaCy's tokens.
Latencies are those of one text after the other. Memory is the most that the process held until the end of the set, Python
included, the long texts last; loading is the time from imports to the first entities. `stream` is whether memory stays flat: that
of `onnx-int8` over 100,000 texts, all different.
"""

import math
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from peers.inference_ceiling import ceiling, operations
from peers.inference_measure import Cell, Job, measure, measure_ceiling, measure_stream
from peers.inference_systems import ENCODER, ONNX_INT8, OURS, SYSTEMS, folder_of, make_peers
from peers.inference_texts import LONG, PUBLIC, SHORT, read_set, write_sets
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.files import read_json, write_json

DATASETS = Path("configs/domains/cyber/datasets.yml")
MERGED = Path("corpus/merged")
INSTALLED = Path("training/check-package.json")
RESULTS = Path("benchmarks/results/inference.json")
SETS = (SHORT, *PUBLIC, LONG)  # in this order: memory grows with the length of the texts
COUNTS = {SHORT: 10_000, LONG: 200}
QUICK = {SHORT: 64, LONG: 1} | dict.fromkeys(PUBLIC, 32)
BATCHES = (1, 8, 64)
STREAMED = 100_000

Timed = dict[str, Any]


def prepare(folder: Path, sets: Sequence[str], counts: dict[str, int], seed: int) -> dict[str, Any]:
    """Write peers and texts into a folder; give the `machine`, the `encoder`, the `sets`, and those that are `missing`."""
    from ner11.datasets import load_datasets
    from ner11.evaluation.provenance import find_processor, find_versions

    encoder = make_peers(folder / "made", model=Path(OURS["torch"]), train=MERGED / "train", seed=seed)
    named = [dataset for dataset in load_datasets(DATASETS) if dataset.name in PUBLIC and dataset.name in sets]
    public = [dataset for dataset in named if all(file.exists() for file in dataset.files("test", Path()))]
    tokenizer = folder / "made" / ENCODER
    written = write_sets(folder / "texts", public=public, corpus=MERGED, tokenizer=tokenizer, counts=counts, seed=seed)
    return {
        "machine": {
            "processor": find_processor(),
            "cores": os.cpu_count(),
            "versions": {**find_versions(), "onnxruntime": version("onnxruntime")},
        },
        "encoder": encoder,
        "sets": {name: written[name] for name in sets if name in written},
        "missing": [name for name in sets if name not in written],
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Give the least of the values that at least this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summarize(rounds: Sequence[Timed]) -> dict[str, Any]:
    """Summarize the rounds of a set and size of batch: medians, smallest and largest speed, percentiles of all latencies."""
    speeds = [timed["words"] / timed["seconds"] for timed in rounds]
    row = {
        "rounds": len(rounds),
        "texts": min(timed["texts"] for timed in rounds),
        "entities": rounds[0]["entities"],
        "words_per_second": median(speeds),
        "range": [min(speeds), max(speeds)],
        "texts_per_second": median(timed["texts"] / timed["seconds"] for timed in rounds),
    }
    latencies = [1000 * latency for timed in rounds for latency in timed.get("latencies", ())]
    if latencies:
        row |= {"latencies": len(latencies), "p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99)}
    return row


def _alone(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def measure_all(
    folder: Path, systems: Sequence[str], limits: dict[Cell, float], threads: Sequence[int], rounds: int
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Measure the systems in turns, each in a process of its own; give system, threads and what `measure` gives."""
    spent: defaultdict[tuple[str, int, Cell], float] = defaultdict(float)
    for number in range(rounds):
        for count in threads:
            for system in systems:
                left = {
                    cell: limit for cell, limit in limits.items() if not number or spent[system, count, cell] < limit * rounds
                }
                job = Job(system, folder_of(system, folder / "made"), count, folder / "texts", left)
                try:
                    found = _alone(measure, job)
                except BrokenProcessPool as e:
                    raise Ner11Error(f"{system} was killed ({e})", where="inference", fix="Free memory and run it again") from e
                for cell, timed in found["cells"].items():
                    spent[system, count, cell] += timed["seconds"]
                yield system, count, found


def collect(found: Sequence[tuple[str, int, dict[str, Any]]]) -> dict[str, Any]:
    """Summarize what `measure_all` gives.

    Returns:
        `processes`, one row for each system and number of threads, and `rows`, one for each set and size of batch of these.
    """
    processes: defaultdict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    cells: defaultdict[tuple[str, int, str, int], list[Timed]] = defaultdict(list)
    for system, threads, one in found:
        processes[system, threads].append(one)
        for (name, batch), timed in one["cells"].items():
            cells[system, threads, name, batch].append(timed)
    return {
        "processes": [
            {
                "system": system,
                "threads": threads,
                "precision": runs[0]["precision"],
                "load_seconds": median(run["load_seconds"] for run in runs),
                "peak_mib": {name: max(run["peak_mib"].get(name, 0) for run in runs) for name in runs[0]["peak_mib"]},
            }
            for (system, threads), runs in processes.items()
        ],
        "rows": [
            {"system": system, "threads": threads, "set": name, "batch": batch, **summarize(rounds)}
            for (system, threads, name, batch), rounds in cells.items()
        ],
    }


def find_ceilings(results: dict[str, Any], rates: dict[int, dict[str, float]], folder: Path) -> dict[str, Any]:
    """Compute the most words a second that the processor leaves to each system.

    Args:
        results: With `encoder`, `sets` and `processes`.
        rates: What the processor computes, by number of threads.
        folder: Of the sets.

    Returns:
        For each number of threads: `rates`, and `words_per_second` of each system and set.
    """
    needed = {name: operations(results["encoder"], read_set(folder, name).pieces) for name in results["sets"]}
    found: dict[str, Any] = {str(number): {"rates": rate, "words_per_second": {}} for number, rate in rates.items()}
    for row in results["processes"]:
        found[str(row["threads"])]["words_per_second"][row["system"]] = {
            name: results["sets"][name]["words"] / ceiling(what, rates[row["threads"]], row["precision"])
            for name, what in needed.items()
        }
    return found


def read_installed() -> dict[str, int]:
    """Read how large the environments are that `check-package` installed the wheels into, `torch` and `onnx`, if it ran."""
    found = read_json(INSTALLED) if INSTALLED.is_file() else {"packages": []}
    if "packages" not in found:
        raise Ner11Error("written by an older version", where=INSTALLED, fix="Run 'spacy project run check-package' again")
    rows = found["packages"]
    return {"onnx" if "_onnx" in row["name"] else "torch": row["installed_bytes"] for row in rows}


def _choose(given: str, known: Sequence[str], where: str) -> list[str]:
    if unknown := sorted(set(given.split(",")) - set(known)):
        raise Ner11Error(f"unknown '{unknown[0]}'", where=where, fix=f"Choose from {', '.join(known)}")
    return [name for name in known if name in given.split(",")]


def main(
    systems: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(SYSTEMS),
    sets: Annotated[str, typer.Option(help="Sets of texts, separated by commas.")] = ",".join(SETS),
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1,2",
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each system and number of threads.")] = 3,
    seconds: Annotated[float, typer.Option(min=0, help="For each set in a round, in batches of 64; a quarter for others.")] = 6.0,
    quick: Annotated[bool, typer.Option("--quick", help="Few texts, one round, one thread: does it run?")] = False,
    seed: Annotated[int, typer.Option(help="Of all choices.")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = RESULTS,
) -> None:
    """Measure every system and write what was measured."""
    msg = Printer()
    chosen, names = _choose(systems, SYSTEMS, "systems"), _choose(sets, SETS, "sets")
    numbers, counts, streamed = [int(number) for number in threads.split(",")], COUNTS, STREAMED
    if quick:
        numbers, counts, streamed, rounds, seconds = numbers[:1], QUICK, 200, 1, 0.0
    for system in chosen:
        if system in OURS and not Path(OURS[system]).is_dir():
            raise Ner11Error("no such pipeline", where=OURS[system], fix="Run 'spacy project run train' and 'export' first")
    installed = read_installed()
    with tempfile.TemporaryDirectory(prefix="inference-") as temporary:
        folder = Path(temporary)
        results = {**_alone(prepare, folder, names, counts, seed), "installed_bytes": installed}
        if results["missing"]:
            msg.warn(f"Not there, left out: {', '.join(results['missing'])}")
        limits = {
            (name, batch): seconds if batch == BATCHES[-1] else seconds / 4 for name in results["sets"] for batch in BATCHES
        }
        found = []
        for system, count, one in measure_all(folder, chosen, limits, numbers, rounds):
            found.append((system, count, one))
            speeds = {name: timed["words"] / timed["seconds"] for (name, batch), timed in one["cells"].items() if batch == 64}
            told = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
            msg.info(f"{system}, threads: {count}: {told} words/s")
        results |= {"settings": {"rounds": rounds, "seconds": seconds, "seed": seed}, **collect(found)}
        rates = {number: _alone(measure_ceiling, number, min(1.0, seconds)) for number in numbers}
        results["ceiling"] = find_ceilings(results, rates, folder / "texts")
        write_json(out, results)
    if ONNX_INT8 in chosen:
        stream = {"threads": numbers[-1], "texts": streamed, "seed": seed + 1}
        results["stream"] = _alone(measure_stream, Path(OURS[ONNX_INT8]), MERGED, **stream)
        write_json(out, results)
    msg.good(f"Wrote {out}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except Ner11Error as e:
        sys.exit(str(e))
