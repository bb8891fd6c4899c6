"""How fast `convert` and `merge` are, and in how much memory, on generated corpora of short texts; beside `spacy convert`.

Run it from the project's folder: python benchmarks/harmonize.py [--sizes 10000,100000,1000000]
It writes benchmarks/results/harmonize.json. `spacy convert` reads the same file in the same run; it neither harmonizes nor
looks for duplicates, and it holds the corpus in memory, so it is left out above a size.
"""

import itertools
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer

PROJECT = Path(__file__).parents[1]
RESULTS = PROJECT / "benchmarks" / "results" / "harmonize.json"
SCHEMA = {
    "domain": "bench",
    "nodes": [
        {"name": name, "definition": "A thing.", "examples": ["a", "b"], "active": True} for name in ("MALWARE", "INDICATOR")
    ],
}
DATASETS = {
    "weights": {"expert": 1.0},
    "datasets": [
        {
            "name": "bench",
            "path": "data",
            "url": "generated",
            "license": "CC0-1.0",
            "format": "columns",
            "splits": {"train": "train.tsv"},
            "hold_out": {"dev": 0.05, "test": 0.05},
            "tier": "expert",
            "labels": {"Malware": "MALWARE", "Indicator": "INDICATOR"},
        }
    ],
}


def sentences(count: int, seed: int) -> Iterator[str]:
    """Make sentences of 3 to 15 words as columns: words by Zipf's law, names and addresses as entities, a tenth without any."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(30_000)]
    names = [rng.choice(words).title() + rng.choice(["", "32", "-X", "Bot"]) for _ in range(20_000)]
    weights = list(itertools.accumulate(1 / (i + 5) for i in range(len(words))))
    for _ in range(count):
        length = rng.randint(3, 15)
        rows = [(word, "O") for word in rng.choices(words, cum_weights=weights, k=length)]
        for _ in range(rng.choices((0, 1, 2), (1, 5, 4))[0]):
            address = ".".join(str(rng.randrange(256)) for _ in range(4))
            entity = (rng.choice(names), "B-Malware") if rng.random() < 0.7 else (address, "B-Indicator")
            rows[rng.randrange(length)] = entity
        yield "".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n"


def _memory(root: int) -> int:
    """Give the memory of a process and all below it in bytes: proportional set size, so that shared pages count once."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, queue = 0, [root]
    while queue:
        process = queue.pop()
        queue.extend(children.get(process, ()))
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def measure(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command; give its wall and CPU seconds and its peak memory in MiB, children included."""
    before, began = os.times(), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return {"seconds": time.perf_counter() - began, "cpu_seconds": cpu, "peak_mib": peak / 2**20}


def run_size(count: int, folder: Path, *, peer: bool) -> dict[str, Any]:
    """Measure one corpus size in a folder of its own."""
    for name, content in (("schema", SCHEMA), ("datasets", DATASETS)):
        path = folder / "configs" / "domains" / "bench" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_yaml(path, content)
    source = folder / "data" / "train.tsv"
    source.parent.mkdir()
    with source.open("w", encoding="utf8") as file:
        file.writelines(sentences(count, seed=count))
    scripts = PROJECT / "scripts"
    steps = {
        "convert": [sys.executable, str(scripts / "convert.py"), "--domain", "bench", "--datasets", "bench", "--quiet"],
        "merge": [sys.executable, str(scripts / "merge.py"), "--quiet"],
    }
    row: dict[str, Any] = {"texts": count, **{name: measure(command, folder) for name, command in steps.items()}}
    cpu = sum(row[name]["cpu_seconds"] for name in steps)
    wall = sum(row[name]["seconds"] for name in steps)
    row |= {"texts_per_second": count / wall, "texts_per_core_second": count / cpu}
    if peer:
        out = folder / "spacy"
        out.mkdir()
        command = [sys.executable, "-m", "spacy", "convert", str(source), str(out), "--converter", "ner"]
        row["spacy_convert"] = measure(command, folder)
        row["speedup"] = row["spacy_convert"]["seconds"] / wall
    return row


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of texts, separated by commas.")] = "10000,100000,1000000",
    peer_up_to: Annotated[int, typer.Option(help="Largest size at which spacy convert runs too.")] = 100_000,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Measure every size and write the results."""
    rows = []
    for count in map(int, sizes.split(",")):
        folder = Path(tempfile.mkdtemp(prefix="harmonize-"))
        try:
            rows.append(run_size(count, folder, peer=count <= peer_up_to))
        finally:
            shutil.rmtree(folder)
        print(srsly.json_dumps(rows[-1], indent=2))
    srsly.write_json(out, {"cores": os.cpu_count(), "python": platform.python_version(), "sizes": rows})


if __name__ == "__main__":
    typer.run(main)
