"""The training benchmark's figures as Markdown."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from wasabi import MarkdownRenderer

from ner11.evaluation.figures import percent

STOCK, TRAINER = "stock", "trainer"
TITLES = {
    "ours": "ner11",
    "ours-fp32": "ner11 without autocast",
    "ours-transition": "ner11 with the `transition` head",
    STOCK: "`spacy init config`",
    TRAINER: "`transformers.Trainer`",
    "trainer-grouped": "`transformers.Trainer`, `group_by_length`",
    "trainer-bf16": "`transformers.Trainer`, `bf16`",
}
Runs = Sequence[dict[str, Any]]


def _range(runs: Runs, key: str, show: Callable[[float | None], str]) -> str:
    """Write the mean over the seeds, with the smallest and the largest value where there are several."""
    values = [run[key] or 0.0 for run in runs]
    mean = show(fmean(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))}–{show(max(values))})"


def _ratio(runs: Runs, peer: Runs, key: str) -> str:
    """Write how many times the mean of a peer the mean is, over the seeds that both have."""
    seeds = {run["seed"] for run in runs} & {run["seed"] for run in peer}
    ours, theirs = ([run[key] for run in rows if run["seed"] in seeds] for rows in (runs, peer))
    return f"{fmean(ours) / fmean(theirs):.2f}" if seeds else "–"


def render_training(results: dict[str, Any]) -> str:
    """Render words/s, peak memory and test F1 of ner11 and its peers, one table a data set, as Markdown.

    Args:
        results: What `benchmarks/training.py` wrote.
    """
    md = MarkdownRenderer()
    settings, machine = results["settings"], results["machine"]
    seeds = len({run["seed"] for run in results["runs"]})
    texts = f"the first {settings['limit']:,} texts" if settings["limit"] else "texts"
    md.add(
        f"The same encoder ({settings['encoder']}), {texts}, {settings['epochs']} epochs and peak rate ({settings['rate']:g}) "
        f"on a CPU ({machine['processor']}, threads: {machine['threads']}, torch {machine['torch']}), "
        f"without loading, evaluation and saving; exact spans of the last step's model on the official test set, in percent: "
        f"mean of {seeds} seed{'s' if seeds > 1 else ''} (smallest–largest). Ratios are of means (`benchmarks/training.py`)."
    )
    header = ["encoder in", "words/s", "× stock", "× Trainer", "peak MiB", "× stock", "× Trainer", "F1"]
    for source in dict.fromkeys(run["source"] for run in results["runs"]):
        of = {system: [run for run in results["runs"] if (run["source"], run["system"]) == (source, system)] for system in TITLES}
        rows = []
        for system, runs in of.items():
            if runs:
                ratios = {
                    key: [_ratio(runs, of[peer], key) for peer in (STOCK, TRAINER)] for key in ("words_per_second", "peak_mib")
                }
                rows.append(
                    (
                        TITLES[system],
                        runs[0]["encoder_precision"],
                        _range(runs, "words_per_second", lambda value: f"{value:,.0f}"),
                        *ratios["words_per_second"],
                        _range(runs, "peak_mib", lambda value: f"{value:,.0f}"),
                        *ratios["peak_mib"],
                        _range(runs, "f1", percent),
                    )
                )
        md.add(md.table(rows, [source, *header], aligns=["l", "l", *"r" * 7]))
    return md.text
