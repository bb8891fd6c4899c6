"""The evaluation benchmark's figures as Markdown."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from wasabi import MarkdownRenderer


def _mean(runs: Sequence[dict[str, Any]], name: str, key: str) -> float:
    return fmean(run[name][key] for run in runs)


def render_evaluation(results: dict[str, Any]) -> str:
    """Render time and peak memory of evaluating and of pure prediction, one row a size, as Markdown.

    Args:
        results: What `benchmarks/evaluation.py` wrote.
    """
    md = MarkdownRenderer()
    machine, rounds = results["machine"], len(results["sizes"][0]["runs"])
    md.add(
        f"All that `evaluate` measures beside `nlp.pipe` over the same generated texts of 10 to 40 words and entities, the "
        f"trained pipeline on a CPU ({machine['processor']}, threads: {machine['threads']}, torch "
        f"{machine['versions']['torch']}): means of {rounds} paired round{'s' if rounds > 1 else ''}, each run in a process of "
        f"its own, loading left out; the ratio is their median (`benchmarks/evaluation.py`)."
    )
    rows = [
        (
            f"{row['texts']:,}",
            f"{row['words']:,}",
            *(f"{_mean(row['runs'], name, 'seconds'):,.0f} s" for name in ("predict", "evaluate")),
            f"{row['ratio']:.2f}",
            *(f"{_mean(row['runs'], name, 'peak_mib'):,.0f} MiB" for name in ("predict", "evaluate")),
        )
        for row in results["sizes"]
    ]
    header = ["texts", "words", "predict", "evaluate", "ratio", "peak memory, predict", "peak memory, evaluate"]
    md.add(md.table(rows, header, aligns=["r"] * len(header)))
    return md.text
