import json

import numpy as np
import pytest

from ner11.training.figures import Figures, group_losses

GROUPS = {"MALWARE": "TECHNICAL", "TOOL": "TECHNICAL", "PERSON": "SOCIAL"}


class Pipe:
    def pop_label_losses(self):
        return {"O": (np.float32(2.0), 8), "MALWARE": (3.0, 2)}


def info(step=10, words=100, **more):
    scores = {"ents_p": 0.5, "ents_r": np.float32(0.25), "ents_predicted": 6, "ents_gold": 12}
    return {
        "epoch": 1,
        "step": step,
        "score": np.float32(0.5),
        "other_scores": scores,
        "losses": {"ner": np.float32(5.0), "transformer": np.float32("inf")},
        "words": words,
        "seconds": 9,
        **more,
    }


def test_losses_by_group():
    losses = {"O": (2.0, 8), "MALWARE": (3.0, 2), "TOOL": (1.0, 2), "PERSON": (5.0, 1), "OTHER": (7.0, 1)}
    assert group_losses(losses, GROUPS) == {"O": 0.25, "OTHER": 7.0, "SOCIAL": 5.0, "TECHNICAL": 1.0}


@pytest.mark.parametrize(("label", "group"), [("MALWARE|TOOL", "TECHNICAL"), ("MALWARE|PERSON", "several")])
def test_an_ambiguous_label_counts_for_the_group_that_its_labels_share(label, group):
    assert group_losses({label: (3.0, 2)}, GROUPS) == {group: 1.5}


def test_a_row_is_plain_json():
    figures = Figures([Pipe(), object()], groups=GROUPS)
    for _ in range(10):
        figures.count_step()
    row = figures.row(info(training_seconds=4.0, gradient_norm=float("nan"), learning_rate=3e-4))
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert (row["score"], row["precision"], row["recall"], row["ratio"]) == (0.5, 0.5, 0.25, 0.5)
    assert row["losses"] == {"ner": 0.5, "transformer": None}
    assert row["group_losses"] == {"O": 0.25, "TECHNICAL": 1.5}
    assert (row["words_per_second"], row["learning_rate"], row["gradient_norm"]) == (25.0, 3e-4, None)


def test_a_row_counts_from_the_one_before():
    figures = Figures([], groups={})
    figures.count_step()
    figures.row(info(training_seconds=4.0))
    for _ in range(2):
        figures.count_step()
    row = figures.row(info(step=12, words=400, training_seconds=10.0))
    assert row["words_per_second"] == 50.0 and row["losses"]["ner"] == 2.5


def test_another_scorer_is_logged_too():
    figures = Figures([], groups={})
    figures.count_step()
    row = figures.row({**info(), "other_scores": {"tag_acc": 1.0}})
    assert row["ratio"] is row["precision"] is None
