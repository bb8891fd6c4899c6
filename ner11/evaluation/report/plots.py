"""The plots of the report, drawn from `training/metrics.json` and the log of the training."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ner11.evaluation.figures import percent
from ner11.evaluation.report.drawing import BLUE, GREEN, INK, PURPLE, VERMILLION, Plot, drawing_style, finish, new_figure
from ner11.evaluation.report.plots_by_label import draw_confusion, draw_labels, find_tiers

_LINES = {"f1": ("F1", BLUE, "-"), "precision": ("precision", VERMILLION, "--"), "recall": ("recall", GREEN, "-.")}


def make_plots(metrics: dict[str, Any], log: Sequence[dict[str, Any]]) -> dict[str, Plot]:
    """Draw the plots of the report. The same input gives the same bytes.

    Args:
        metrics: As in `training/metrics.json`.
        log: Rows of `training/log.jsonl`.

    Returns:
        "labels", "confusion", "reliability", "learning" and "thresholds"; one without anything to draw is left out. All can
        stand in one page, light or dark: text and axes take its color.
    """
    overall, calibration = metrics["overall"], metrics.get("calibration") or {}
    tiers = find_tiers(overall.get("levels", {}))
    with drawing_style():
        plots = {
            "labels": draw_labels(overall, tiers),
            "confusion": draw_confusion(metrics.get("confusion", {}).get("cells", []), tiers),
            "reliability": draw_reliability(calibration),
            "learning": draw_learning(log),
            "thresholds": draw_thresholds(calibration.get("curve", [])),
        }
    return {name: plot for name, plot in plots.items() if plot is not None}


def draw_reliability(calibration: dict[str, Any]) -> Plot | None:
    """Draw how often predictions are right by their confidence, before and after the temperature."""
    if not calibration.get("after"):
        return None
    figure = new_figure(480, 480)
    ax = figure.subplots()
    ax.plot([0, 100], [0, 100], color=INK, alpha=0.5, linewidth=1, linestyle=":")
    told = []
    for key, color, style in (("before", VERMILLION, "s--"), ("after", BLUE, "o-")):
        if found := calibration.get(key):
            bins = [row for row in found["bins"] if row["spans"]]
            scaled = f"{key} the temperature" if calibration.get("before") else "confidence"
            told.append(f"{scaled}: ECE {percent(found['ece'])}")
            points = [[100 * row[axis] for row in bins] for axis in ("confidence", "accuracy")]
            ax.plot(*points, style, color=color, markersize=5, label=f"{told[-1]}, {found['spans']:,} predictions")
            for row, right in zip(bins, points[1], strict=True):
                ax.plot([100 * row["low"], 100 * row["high"]], [right, right], color=color, linewidth=4, alpha=0.25)
    ax.set(xlim=(0, 101), ylim=(0, 101), xlabel="confidence, in percent", ylabel="right, in percent")
    figure.legend(loc="outside upper left")
    return finish(
        figure,
        name="reliability",
        title="Reliability",
        caption="How often predictions of a confidence are right, in groups of about equally many; the pale bars show the "
        "confidences in a group. On the dotted line the confidence is true; below it, it promises too much. ECE: mean distance "
        "from the line, weighted by predictions, in percent.",
        alt=f"Share of right predictions by confidence; {'; '.join(told)}.",
    )


def draw_learning(log: Sequence[dict[str, Any]]) -> Plot | None:
    """Draw the scores on dev and the training loss by step."""
    if not log:
        return None
    figure = new_figure(640, 480)
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    steps = [row["step"] for row in log]
    _draw_lines(ax, steps, [{"f1": row["score"], **row} for row in log])
    best = min(log, key=lambda row: (-row["score"], row["step"]))
    told = f"best F1 {percent(best['score'])} at step {best['step']:,}"
    ax.axvline(best["step"], color=INK, alpha=0.6, linewidth=1, linestyle=":", label=told)
    ax.set(ylim=(0, 100), ylabel="on dev, in percent")
    figure.legend(loc="outside upper center", ncols=4)
    below.plot(steps, [_total(row["losses"]) for row in log], color=PURPLE)
    below.set(xlabel="step", ylabel="loss", ylim=(0, None))
    return finish(
        figure,
        name="learning",
        title="Learning curve",
        caption="Scores on dev at each evaluation, and the mean loss of the steps before it. The model of the best step is kept.",
        alt=f"F1, precision and recall on dev over {steps[-1]:,} steps; {told}.",
    )


def draw_thresholds(curve: Sequence[dict[str, Any]]) -> Plot | None:
    """Draw precision, recall and F1 where only predictions from a confidence on are kept."""
    if not curve:
        return None
    figure = new_figure(640, 360)
    ax = figure.subplots()
    _draw_lines(ax, [100 * row["threshold"] for row in curve], curve)
    ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="lowest confidence kept, in percent", ylabel="on the test set, in percent")
    figure.legend(loc="outside upper center", ncols=3)
    best = max(curve, key=lambda row: row["f1"] or 0.0)
    told = f"F1 is highest, {percent(best['f1'])}, at {percent(best['threshold'])}"
    return finish(
        figure,
        name="thresholds",
        title="Threshold curve",
        caption="What is reached where predictions of a lower confidence are thrown away: precision rises, recall falls.",
        alt=f"Precision, recall and F1 by the lowest confidence kept; {told}.",
    )


def _draw_lines(ax: Axes, places: Sequence[float], rows: Sequence[dict[str, Any]]) -> None:
    """Draw F1, precision and recall; a score that is undefined leaves a gap."""
    for key, (label, color, style) in _LINES.items():
        values = [math.nan if row[key] is None else 100 * row[key] for row in rows]
        ax.plot(places, values, style, color=color, label=label, linewidth=1.8, marker="o" if len(rows) == 1 else None)


def _total(losses: dict[str, float | None]) -> float:
    return sum(math.nan if loss is None else loss for loss in losses.values())
