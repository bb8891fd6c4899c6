"""What is logged at an evaluation: scores, losses by group of labels, pace, and what the GPU did."""

import math
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from thinc.api import CupyOps, get_current_ops

from ner11.training.hardware import gpu_memory_mib, gpu_utilization

SEVERAL = "several"
"""Group of spans whose allowed labels are of several groups."""
SAMPLE_STEPS = 10
"""Steps between two looks at the GPU's utilization."""


def group_losses(losses: Mapping[str, tuple[float, int]], groups: Mapping[str, str]) -> dict[str, float]:
    """Average losses by group of labels.

    Args:
        losses: Loss sum and tokens by label: "O" outside spans, "A|B" where several labels are allowed.
        groups: Group of each label; a label without one stands for itself.

    Returns:
        Mean loss per token by group; "A|B" counts for the group that A and B share, else for "several".
    """
    sums: dict[str, tuple[float, int]] = {}
    for name, (loss, tokens) in losses.items():
        shared = {groups.get(label, label) for label in name.split("|")}
        group = shared.pop() if len(shared) == 1 else SEVERAL
        before = sums.get(group, (0.0, 0))
        sums[group] = before[0] + float(loss), before[1] + int(tokens)
    return {group: loss / tokens for group, (loss, tokens) in sorted(sums.items()) if tokens}


def finite(value: Any) -> float | None:
    """Make a JSON number: numpy's become Python's; None stays, and what is not finite becomes None."""
    return float(value) if value is not None and math.isfinite(value) else None


class Figures:
    """Collects from step to step, and gives one row per evaluation.

    Args:
        pipes: The components of the pipeline; those with `pop_label_losses` give their losses by label.
        groups: Group of each label.
    """

    def __init__(self, pipes: Iterable[Any], *, groups: Mapping[str, str]) -> None:
        self._pipes = [pipe for pipe in pipes if hasattr(pipe, "pop_label_losses")]
        self._groups = groups
        self._on_gpu = isinstance(get_current_ops(), CupyOps)
        self._steps, self._words, self._seconds = 0, 0, 0.0
        self._started = perf_counter()
        self._utilization: list[float] = []

    def count_step(self) -> None:
        """Note that a step is done."""
        if self._on_gpu and self._steps % SAMPLE_STEPS == 0:
            utilization = gpu_utilization()
            self._utilization += [] if utilization is None else [utilization]
        self._steps += 1

    def row(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Make the row of an evaluation, and begin anew.

        Args:
            info: What spaCy's training loop tells of a step. It may also hold `training_seconds` (evaluations left out),
                `gradient_norm` and `learning_rate`.

        Returns:
            JSON values. Losses are means: per step in `losses`, per token in `group_losses`; words per second are those
            since the last row.
        """
        scores = info["other_scores"]
        gold, predicted = scores.get("ents_gold"), scores.get("ents_predicted")
        by_group = [group_losses(pipe.pop_label_losses(), self._groups) for pipe in self._pipes]
        seconds = info.get("training_seconds", perf_counter() - self._started)
        row = {
            "epoch": info["epoch"],
            "step": info["step"],
            "score": float(info["score"]),
            "precision": finite(scores.get("ents_p")),
            "recall": finite(scores.get("ents_r")),
            "losses": {name: finite(float(loss) / self._steps) for name, loss in info["losses"].items()},
            "group_losses": {name: finite(loss) for losses in by_group for name, loss in losses.items()},
            "predicted": predicted,
            "gold": gold,
            "ratio": predicted / gold if gold and predicted is not None else None,
            "gradient_norm": finite(info.get("gradient_norm")),
            "learning_rate": finite(info.get("learning_rate")),
            "words_per_second": round((info["words"] - self._words) / max(seconds - self._seconds, 1e-9), 1),
            "seconds": info["seconds"],
        }
        if self._on_gpu:
            row["gpu_memory_mib"] = gpu_memory_mib()
            row["gpu_utilization"] = sum(self._utilization) / len(self._utilization) if self._utilization else None
        self._steps, self._words, self._seconds, self._utilization = 0, info["words"], seconds, []
        return row
