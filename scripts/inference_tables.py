"""The inference benchmark's figures as Markdown."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wasabi import MarkdownRenderer

from ner11.evaluation.figures import percent

TORCH, FP32, INT8, STOCK, PIPELINE = "torch", "onnx-fp32", "onnx-int8", "stock", "transformers"
OURS, PEERS = (TORCH, FP32, INT8), (STOCK, PIPELINE)
TITLES = {
    TORCH: "ner11, torch",
    FP32: "ner11, ONNX Runtime",
    INT8: "ner11, ONNX Runtime",
    STOCK: "`spacy init config`",
    PIPELINE: "`transformers` pipeline",
}
SHORT, _, CYNER, LONG = SETS = ("short", "wnut17", "cyner", "long")
BATCH, DOCS_BATCH = 64, 8
SHARE = 0.25
MIB = 2**20

Figures = list[float | None]


class Results:
    """What `benchmarks/inference.py` wrote, by system, threads, set and batch."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.all = results
        self.sets: dict[str, dict[str, int]] = {name: results["sets"][name] for name in SETS if name in results["sets"]}
        self.processes = {(row["system"], row["threads"]): row for row in results["processes"]}
        self.rows = {(row["system"], row["threads"], row["set"], row["batch"]): row for row in results["rows"]}
        self.threads = sorted({threads for _, threads in self.processes})

    def get(self, system: str, threads: int, name: str, key: str, *, batch: int = BATCH) -> float | None:
        """Give a figure; None if it was not measured."""
        return self.rows.get((system, threads, name, batch), {}).get(key)

    def ratio(self, system: str, peer: str, threads: int, name: str) -> float | None:
        """Give how many times the words a second of a peer a system reads."""
        ours, theirs = (self.get(one, threads, name, "words_per_second") for one in (system, peer))
        return ours / theirs if ours and theirs else None

    def peak(self, system: str, threads: int) -> float | None:
        """Give the most memory that a system held, in MiB."""
        process = self.processes.get((system, threads))
        return max(process["peak_mib"].values()) if process else None

    def ordered(self, systems: Iterable[str]) -> list[tuple[str, str, int]]:
        """List the processes of systems: title, system and threads."""
        return [
            (f"{TITLES[system]}, {self.processes[system, threads]['precision']}", system, threads)
            for threads in self.threads
            for system in systems
            if (system, threads) in self.processes
        ]


def _show(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _table(md: MarkdownRenderer, title: str, header: list[str], rows: list[tuple[str, ...]]) -> None:
    if rows:
        md.add(title)
        md.add(md.table(rows, header, aligns=["l", *"r" * (len(header) - 1)]))


def _speeds(md: MarkdownRenderer, of: Results) -> None:
    rows = [
        (title, str(threads), *(_show(of.get(system, threads, name, "words_per_second"), ",.0f") for name in of.sets))
        for title, system, threads in of.ordered(TITLES)
    ]
    _table(md, f"Words/s in batches of {BATCH}:", ["", "threads", *of.sets], rows)
    ratios = [
        (
            title,
            str(threads),
            *(" / ".join(_show(of.ratio(system, peer, threads, name), ".1f") for peer in PEERS) for name in of.sets),
        )
        for title, system, threads in of.ordered(OURS)
    ]
    _table(md, "Times the words/s of stock spaCy / of the `transformers` pipeline:", ["", "threads", *of.sets], ratios)


def _costs(md: MarkdownRenderer, of: Results) -> None:
    rows = [
        (
            title,
            str(threads),
            *(_show(of.get(system, threads, SHORT, key, batch=1), ".1f", " ms") for key in ("p50_ms", "p99_ms")),
            _show(of.get(system, threads, LONG, "p50_ms", batch=1), ",.0f", " ms"),
            _show(of.get(system, threads, CYNER, "texts_per_second", batch=DOCS_BATCH), ",.0f"),
            _show(of.processes[system, threads]["peak_mib"].get(SHORT), ",.0f", " MiB"),
            _show(of.peak(system, threads), ",.0f", " MiB"),
            _show(of.processes[system, threads]["load_seconds"], ".1f", " s"),
        )
        for title, system, threads in of.ordered(TITLES)
    ]
    latencies = ["short text, p50", "p99", "long text, p50", f"cyner texts/s, batches of {DOCS_BATCH}"]
    header = ["", "threads", *latencies, "peak memory, short", "all", "loading"]
    _table(md, "One text after the other, small batches, memory and loading:", header, rows)


@dataclass(frozen=True)
class Goal:
    """What was to be reached.

    Attributes:
        title: Of what.
        wanted: The figure.
        figures: Gives those that were reached with a number of threads.
        form: How figures are written.
        unit: What is written behind them.
        at_least: Whether more is better.
    """

    title: str
    wanted: float
    figures: Callable[[int], Figures]
    form: str = ".1f"
    unit: str = ""
    at_least: bool = True

    def row(self, threads: Iterable[int]) -> tuple[str, ...]:
        """Give the cells: title, what was wanted, the least and the most of each number of threads, and whether it was met."""
        cells, met = [], set()
        for count in threads:
            values = sorted(value for value in self.figures(count) if value is not None)
            met.update((value >= self.wanted) == self.at_least or value == self.wanted for value in values)
            ends = dict.fromkeys(_show(value, self.form) for value in (*values[:1], *values[-1:]))
            cells.append("–".join(ends) + self.unit if ends else "–")
        wanted = f"{'at least' if self.at_least else 'at most'} {self.wanted:g}{self.unit}"
        return self.title, wanted, *cells, {(): "–", (True,): "yes", (False,): "no"}.get(tuple(met), "partly")


def _goals(of: Results) -> list[Goal]:
    sizes = of.all["installed_bytes"]
    share = 100 * sizes["onnx"] / sizes["torch"] if {"onnx", "torch"} <= sizes.keys() else None

    def times(system: str, peer: str) -> Callable[[int], Figures]:
        return lambda threads: [of.ratio(system, peer, threads, name) for name in of.sets]

    def singly(system: str, sets: Iterable[str]) -> Callable[[int], Figures]:
        return lambda threads: [of.get(system, threads, name, "p50_ms", batch=1) for name in sets]

    def batches(threads: int) -> Figures:
        return [of.get(INT8, threads, CYNER, "texts_per_second", batch=DOCS_BATCH)]

    return [
        Goal("torch, times stock", 4, times(TORCH, STOCK)),
        Goal("int8, times stock", 10, times(INT8, STOCK)),
        Goal("torch, times `transformers`", 2, times(TORCH, PIPELINE)),
        Goal("int8, times `transformers`", 2, times(INT8, PIPELINE)),
        Goal("int8, a short text, p50", 10, singly(INT8, [SHORT]), unit=" ms", at_least=False),
        Goal("int8, a text of any set, p50", 100, singly(INT8, of.sets), unit=" ms", at_least=False),
        Goal(f"int8, cyner texts/s, batches of {DOCS_BATCH}", 100, batches, form=",.0f"),
        Goal("torch, peak memory", 1024, lambda threads: [of.peak(TORCH, threads)], ",.0f", " MiB", at_least=False),
        Goal("int8, peak memory", 1024, lambda threads: [of.peak(INT8, threads)], ",.0f", " MiB", at_least=False),
        Goal("installed without torch, of torch's size", 100 * SHARE, lambda _: [share], ".0f", "%", at_least=False),
    ]


def _ceiling(md: MarkdownRenderer, of: Results) -> None:
    rows = []
    for title, system, threads in of.ordered(OURS):
        found = of.all["ceiling"][str(threads)]
        rate = found["rates"][of.processes[system, threads]["precision"]] / 1e9
        shares = []
        for name in of.sets:
            most, reached = found["words_per_second"][system][name], of.get(system, threads, name, "words_per_second")
            shares.append(f"{percent(reached / most)}% of {most:,.0f}" if reached else "–")
        rows.append((title, str(threads), f"{rate:,.0f}", *shares))
    encoder = of.all["encoder"]
    needed = 2 * encoder["weights"] / 1e6
    title = (
        f"Words/s in batches of {BATCH} as a share of the ceiling: the operations a second that the processor does on large "
        f"matrix products, in the same run, against the {needed:.1f} million of a word piece with the weights of the encoder, "
        f"and those of attention (in fp32 beside int8), without padding and overlap."
    )
    _table(md, title, ["", "threads", "billion operations/s", *of.sets], rows)


def render_inference(results: dict[str, Any]) -> str:
    """Render speed, latency, memory, goals and the ceiling of inference as Markdown.

    Args:
        results: What `benchmarks/inference.py` wrote.
    """
    md, of = MarkdownRenderer(), Results(results)
    machine, settings = results["machine"], results["settings"]
    sizes = ", ".join(f"{name} ({row['texts']:,} texts, {row['words']:,} words)" for name, row in of.sets.items())
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in ("torch", "onnxruntime", "spacy", "transformers"))
    md.add(
        f"One fine-tuned encoder and {results['encoder']['labels']} labels behind each, on a CPU ({machine['processor']}, "
        f"{versions}), as many cores as threads; {sizes}. Medians of {settings['rounds']} round"
        f"{'s' * (settings['rounds'] > 1)} in processes of their own, in turns; each reads a set from its first text on for "
        f"about {settings['seconds']:g} seconds, the slow ones therefore only its first texts (`benchmarks/inference.py`)."
    )
    _speeds(md, of)
    _costs(md, of)
    header = ["goal", "wanted", *(f"threads: {threads}" for threads in of.threads), "met"]
    _table(md, "The goals, with the least and the most of the sets:", header, [goal.row(of.threads) for goal in _goals(of)])
    _ceiling(md, of)
    if "stream" in results:
        texts, sizes_ = results["stream"]["texts"], results["stream"]["rss_mib"]
        md.add(
            f"Memory over a stream of short texts that are all different, int8: {sizes_[0]:,.0f} MiB after {texts[0]:,} texts, "
            f"{sizes_[-1]:,.0f} MiB after {texts[-1]:,}."
        )
    return md.text
