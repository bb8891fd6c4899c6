"""Whether the corpus holds enough of each active label to train and to score it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.errors import Ner11Error
from ner11.schema import Schema

TRAINING, EVALUATION = 30, 10
"""Spans that an active label needs in train, and in dev and test together."""


def collect_evidence(spans_kept: Iterable[dict[str, Any]], schema: Schema) -> dict[str, dict[str, Any]]:
    """Count the spans of each active label by source.

    Args:
        spans_kept: Rows of split, source, label and count, as `merge` writes them into its ledger. Spans that may have
            several labels, or none that is known, prove nothing about one label and are not counted.
        schema: The label tree that the corpus was converted with.

    Returns:
        For each active label, in the order of the tree: `training` and `evaluation` (spans by source) and `enough`.

    Raises:
        Ner11Error: If the corpus has a label that is not active in the schema.
    """
    counts: dict[str, dict[str, Counter[str]]] = {
        label: {"training": Counter(), "evaluation": Counter()} for label in schema.active
    }
    for row in spans_kept:
        labels = set(row["label"].split(SEPARATOR))
        if not labels <= {*counts, UNKNOWN}:
            raise Ner11Error(
                f"'{row['label']}' of {row['source']} is no active label of the domain {schema.domain}",
                where="corpus/merged",
                fix="Run convert and merge again, or choose the domain of this corpus",
            )
        if row["label"] in counts:
            part = "training" if row["split"] == "train" else "evaluation"
            counts[row["label"]][part][row["source"]] += row["count"]
    return {
        label: {
            **{part: dict(sorted(found.items())) for part, found in parts.items()},
            "enough": parts["training"].total() >= TRAINING and parts["evaluation"].total() >= EVALUATION,
        }
        for label, parts in counts.items()
    }
