"""Plots by label: how well each is found, and which are taken for which."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ner11.annotation import SEPARATOR
from ner11.evaluation.figures import percent
from ner11.evaluation.matching import MISSED, SPURIOUS
from ner11.evaluation.report.drawing import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, Plot, finish, new_figure

MOST_CONFUSED = 25
"""Labels in the confusion matrix at most."""
_ONE_COLUMN = 40
"""Labels that stand in one column; more stand in two."""
_LONGEST = 28
"""Characters of a label on an axis."""
_TIER_STYLES = tuple(zip((BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GRAY), "osD^vPX", strict=True))


def find_tiers(levels: dict[str, Any]) -> dict[str, str]:
    """Give the tier above each label, from scores that are rolled up to the levels of the label tree."""
    categories = levels.get("2", {})
    return {label: categories.get(row["parent"], {}).get("parent", "") for label, row in levels.get("3", {}).items()}


def draw_labels(overall: dict[str, Any], tiers: dict[str, str]) -> Plot | None:
    """Draw the F1 of each annotated label with its interval, the best first; the mark and its color tell the tier."""
    rows = [(label, row) for label, row in overall["labels"].items() if row["support"] and SEPARATOR not in label]
    rows.sort(key=lambda item: (-item[1]["f1"], item[0]))
    if not rows:
        return None
    names = sorted({tiers.get(label, "") for label, _ in rows})
    styles = {name: _TIER_STYLES[i % len(_TIER_STYLES)] for i, name in enumerate(names)}
    columns = 1 if len(rows) <= _ONE_COLUMN else 2
    lines = math.ceil(len(rows) / columns)
    figure = new_figure(640 if columns == 1 else 960, 17 * lines + 110)
    micro = overall["micro"]["f1"]
    for i, ax in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        shown = rows[i * lines : (i + 1) * lines]
        for y, (label, row) in enumerate(shown):
            color, marker = styles[tiers.get(label, "")]
            if row["f1_interval"] is not None:
                low, high = (100 * bound for bound in row["f1_interval"])
                ax.plot([low, high], [y, y], color=color, linewidth=4, alpha=0.5, solid_capstyle="butt")
            ax.plot(100 * row["f1"], y, color=color, marker=marker, markersize=6)
        ax.axvline(100 * micro, color=INK, alpha=0.6, linewidth=1, linestyle=":")
        ax.set(xlim=(-3, 103), ylim=(lines - 0.5, -0.5), xlabel="F1, in percent")
        ax.set_yticks(range(len(shown)), [f"{_short(label)} ({row['support']:,})" for label, row in shown], fontsize=11)
        ax.tick_params(axis="y", length=0)
    keys = [Line2D([], [], color=c, marker=m, linewidth=4, label=name or "no tier") for name, (c, m) in styles.items()]
    keys.append(Line2D([], [], color=INK, alpha=0.6, linewidth=1, linestyle=":", label="all labels (micro)"))
    figure.legend(handles=keys, loc="outside upper center", ncols=2 * columns, fontsize=11)
    (best, first), (worst, last) = rows[0], rows[-1]
    alt = f"F1 by label, {len(rows)} labels: from {percent(first['f1'])} ({best}) to {percent(last['f1'])} ({worst}); "
    return finish(
        figure,
        name="labels",
        title="F1 by label",
        caption="F1 on the test set with its 95% interval; behind each label its number of annotated spans (support). Labels "
        "that were only predicted, and spans that may have one of several labels, stand in the table alone.",
        alt=f"{alt}all labels together {percent(micro)}.",
    )


def draw_confusion(cells: Sequence[dict[str, Any]], tiers: dict[str, str]) -> Plot | None:
    """Draw which labels are taken for which: those that are confused most, with what was missed and what was invented."""
    confused: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        gold, predicted, count = cell["gold"], cell["predicted"], cell["exact"] + cell["boundary"]
        if gold != SPURIOUS and predicted != MISSED and predicted not in gold.split(SEPARATOR):
            confused.update({gold: count, predicted: count})
            pairs[gold, predicted] += count
    if not confused:
        return None
    most = sorted(confused, key=lambda name: (-confused[name], name))[:MOST_CONFUSED]
    # Tier by tier, for labels of one tier are confused with each other; several allowed labels are never predicted.
    most.sort(key=lambda name: (SEPARATOR in name, tiers.get(name, ""), name))
    rows, columns = [*most, SPURIOUS], [*(name for name in most if SEPARATOR not in name), MISSED]
    figure = new_figure(24 * len(columns) + 240, 24 * len(rows) + 240)
    ax = figure.subplots()
    shown = [cell for cell in cells if cell["gold"] in rows and cell["predicted"] in columns]
    highest = max(cell["exact"] + cell["boundary"] for cell in shown if cell["gold"] != cell["predicted"])
    for cell in shown:
        _draw_cell(ax, cell, columns.index(cell["predicted"]), rows.index(cell["gold"]), highest)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="equal", xlabel="predicted", ylabel="annotated")
    ax.set_xticks(range(len(columns)), map(_short, columns), rotation=90, fontsize=11)
    ax.set_yticks(range(len(rows)), map(_short, rows), fontsize=11)
    ax.xaxis.set_label_position("top")
    for axis, count in ((ax.xaxis, len(columns)), (ax.yaxis, len(rows))):  # lines between the cells, not through them
        axis.grid(False)
        axis.set_ticks([i - 0.5 for i in range(1, count)], minor=True)
        axis.grid(True, which="minor", alpha=0.1)
    ax.tick_params(which="both", length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    (gold, predicted), count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
    return finish(
        figure,
        name="confusion",
        title="Confusion matrix",
        caption=f"The {len(most)} labels that are most often taken for another or for which another is taken, tier by tier. "
        "Rows: what is annotated; columns: what was predicted there. Gray: right; +n: right but for the borders. "
        f"{MISSED}: nothing was predicted there; {SPURIOUS}: nothing is annotated there. The shade grows with the logarithm of "
        "the count.",
        alt=f"Confusion of {len(most)} labels; most often {gold} is taken for {predicted}, {count} times.",
    )


def _draw_cell(ax: Axes, cell: dict[str, Any], x: int, y: int, highest: int) -> None:
    exact, boundary = cell["exact"], cell["boundary"]
    right = cell["predicted"] in cell["gold"].split(SEPARATOR)
    alone = cell["predicted"] == MISSED or cell["gold"] == SPURIOUS
    color = INK if right else SKY if alone else VERMILLION
    alpha = 0.08 if right else 0.1 + 0.5 * math.log1p(exact + boundary) / math.log1p(highest)
    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, alpha=alpha, linewidth=0))
    text, size = (f"{exact}\n+{boundary}", 8.5) if right and boundary else (str(exact + boundary), 10)
    ax.text(x, y, text, ha="center", va="center", fontsize=size, linespacing=1.0, alpha=0.7 if right else 1)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
