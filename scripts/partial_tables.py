"""The tables of the proof of partial labels, from what `benchmarks/partial_labels.py` wrote."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wasabi import MarkdownRenderer

from ner11.evaluation.figures import percent

_FEW = 20


def _figure(row: dict[str, Any] | None) -> str:
    """Write a figure with its interval: 61.3 [58.2, 64.0]."""
    if row is None or row["value"] is None:
        return "–"
    low, high = row["interval"]
    return f"{percent(row['value'])} [{percent(low)}, {percent(high)}]"


def _difference(row: dict[str, Any] | None) -> str:
    """Write a difference in points with its sign, bold where its interval is on one side of zero."""
    if row is None or row["value"] is None:
        return "–"
    low, high = row["interval"]
    text = f"{100 * row['value']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def _order(variants: Iterable[str], first: Iterable[str]) -> list[str]:
    """Order variants as listed, the others after them by name."""
    rank = {name: i for i, name in enumerate(first)}
    return sorted(variants, key=lambda name: (rank.get(name, len(rank)), name))


def _table(
    md: MarkdownRenderer, variants: dict[str, Any], test: str, columns: dict[str, Callable[[dict[str, Any]], str]], title: str
) -> None:
    """Add a table of the variants that have a test set."""
    rows = []
    for name, variant in variants.items():
        if test in variant["tests"]:
            rows.append((md.code(name), *(write(variant["tests"][test]) for write in columns.values())))
    if rows:
        md.add(md.table(rows, [title, *columns], aligns=["l", *"r" * len(columns)]))


def _precision_recall(row: dict[str, Any]) -> str:
    return f"{percent(row['precision']['value'])} / {percent(row['recall']['value'])}"


_F1: dict[str, Callable[[dict[str, Any]], str]] = {
    "F1": lambda row: _figure(row["f1"]),
    "P / R": _precision_recall,
    "difference": lambda row: _difference(row.get("difference")),
}
_MERGED = ("naive", "naive-transition", "sets", "coverage-only", "granularity-only", "per-token")
_HALVES = ("halves:full", "halves:naive", "halves:sets")
_GOLD = ("gold:plain", "gold:weights-0.25", "gold:weights-0.5", "gold:focal-1", "gold:focal-2", "gold:smoothing")


def _select(results: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: results["variants"][name] for name in names if name in results["variants"]}


def _describe(results: dict[str, Any], names: Iterable[str]) -> str:
    """Say for how many epochs and with how many seeds some variants were trained."""
    chosen = [variant for name, variant in results["variants"].items() if name in set(names)]
    epochs = sorted({variant["epochs"] for variant in chosen})
    seeds = sorted({len(variant["seed"]) for variant in chosen})
    steps = sorted({steps for variant in chosen for steps in variant["steps"]})
    span = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    counted = "–".join(map(str, seeds)) if len(seeds) > 1 else str(seeds[0])
    return f"epochs: {', '.join(epochs)}; {span} steps; {counted} {'seed' if counted == '1' else 'seeds'}"


def _merged(md: MarkdownRenderer, results: dict[str, Any]) -> None:
    alone = [name for name in results["variants"] if name.startswith("alone:")]
    names = _order([name for name, row in results["variants"].items() if row["experiment"] == "merged" or name in alone], _MERGED)
    if not names:
        return
    words = ", ".join(f"{source} {row['train']:,}" for source, row in results["words"].items() if row.get("train"))
    md.add(
        f"One model on {len(results['words'])} data sets that annotate different labels (training words: {words}; "
        f"{_describe(results, names)}; encoder {Path(results['encoder']).name}): exact spans, F1 in percent with 95% intervals "
        f"from resampled documents, and the paired difference to the naive merge, bold where its interval leaves out zero."
    )
    variants = _select(results, names)
    tests = sorted({test for variant in variants.values() for test in variant["tests"]})
    for test in tests:
        shown = {name: row for name, row in variants.items() if name not in alone or name == f"alone:{test}"}
        _table(md, shown, test, _F1, f"test on {test}")
    if {"naive", "sets"} <= set(variants):
        md.add(_labels(md, variants, tests))


def _labels(md: MarkdownRenderer, variants: dict[str, Any], tests: Iterable[str]) -> str:
    """Set naive merge and allowed sets side by side by label, where a test set has enough spans of it."""
    rows = []
    for test in tests:
        if test not in variants["naive"]["tests"]:
            continue
        naive, sets = (variants[name]["tests"][test]["labels"] for name in ("naive", "sets"))
        for label, row in sets.items():
            if "|" in label or row["support"] < _FEW or label not in naive:
                continue
            theirs, ours = naive[label]["f1"], row["f1"]
            rows.append((test, md.code(label), str(row["support"]), percent(theirs), percent(ours)))
    table = md.table(rows, ["test on", "label", "support", "naive F1", "sets F1"], aligns=["l", "l", "r", "r", "r"])
    note = "A hit counts for the label that was predicted: where sets are allowed, support differs between variants."
    return f"<details><summary>By label</summary>\n\n{note}\n\n{table}\n\n</details>"


def _halves(md: MarkdownRenderer, results: dict[str, Any]) -> None:
    variants = _select(results, _HALVES)
    if variants:
        md.add(
            f"The controlled case: aptner, taken as fully annotated, cut in two halves of its documents that each keep half of "
            f"the labels ({_describe(results, variants)}); `full` has all labels in both halves."
        )
        _table(md, variants, "aptner", _F1, "test on aptner, all labels")


def _gold(md: MarkdownRenderer, results: dict[str, Any]) -> None:
    variants = _select(results, _GOLD)
    if variants:
        rare = next((row["tests"]["gold"]["rare"]["labels"] for row in variants.values() if "rare" in row["tests"]["gold"]), 0)
        md.add(
            f"Imbalance: the gold set alone ({_describe(results, variants)}). Rare labels are the {rare} labels of the test set "
            f"with fewer than 40 training spans; calibration is that of predicted spans, with a temperature fitted on dev."
        )
        columns: dict[str, Callable[[dict[str, Any]], str]] = {
            **_F1,
            "rare labels, macro F1": lambda row: _figure(row.get("rare")),
            "difference on them": lambda row: _difference(row.get("rare", {}).get("difference")),
            "ECE": lambda row: f"{row['calibration']['ece']:.3f}" if "calibration" in row else "–",
            "Brier": lambda row: f"{row['calibration']['brier']:.3f}" if "calibration" in row else "–",
        }
        _table(md, variants, "gold", columns, "test on gold")
    short = _select(results, ("gold:plain", "gold:no-short"))
    if len(short) == 2:
        texts = [short[name]["train_texts"]["gold"] for name in short]
        md.add(
            f"Short texts: as many steps with all {texts[0]} training texts and with the {texts[1]} documents alone "
            f"({_describe(results, short)})."
        )
        for test in ("gold, short texts", "gold, documents"):
            _table(md, short, test, _F1, f"test on {test}")


def render_partial(results: dict[str, Any]) -> str:
    """Render what `benchmarks/partial_labels.py` measured as Markdown; an experiment that was not run is left out."""
    md = MarkdownRenderer()
    for add in (_merged, _halves, _gold):
        add(md, results)
    return md.text
