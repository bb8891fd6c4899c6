import json
import re

import numpy as np
import pytest

from ner11.errors import Ner11Error
from ner11.evaluation import comparison
from ner11.evaluation.comparison import adjust, compare_models, find_flips
from ner11.evaluation.predictions import collect_predictions
from ner11.evaluation.texts import TestText

TEXT = "Turla used KillDisk against Kyiv"
MODEL = {"name": "en_toy", "version": "1.0.0"}
NONE = np.zeros(0, dtype=np.int32)


def make_text(gold, predicted, *, number=0, source="toy", coverage=None):
    """A text, and a document, of its own number; spans are given by their words: `[("Turla", "A")]`."""

    def spans(words):
        return [(TEXT.index(word), TEXT.index(word) + len(word), label) for word, label in words]

    found = spans(predicted)
    return TestText(
        f"{TEXT} {number}", source, "gold", f"doc {number}", spans(gold), coverage, NONE, NONE, found, [0.5] * len(found)
    )


def make_pair(gold, new, old, **settings):
    """The same text with the predictions of two models."""
    return make_text(gold, new, **settings), make_text(gold, old, **settings)


def compare(*pairs, **settings):
    """Compare two models on texts given as (gold, new, old)."""
    texts = [make_pair(*pair, number=i) for i, pair in enumerate(pairs)]
    baseline = collect_predictions([old for _, old in texts], model=MODEL)
    return compare_models([new for new, _ in texts], baseline, **settings)


A, B = [("Turla", "A")], [("Kyiv", "B")]
FOUND, LOST, GAINED = (A, A, A), (A, [], A), (A, A, [])


def test_a_model_does_not_differ_from_itself():
    result = compare(*[(A + B, [*A, ("KillDisk", "B")], [*A, ("KillDisk", "B")])] * 4)
    for row in (result["overall"], *result["labels"].values()):
        assert row["f1"] == row["baseline_f1"]
        assert (row["difference"], row["interval"], row["p"], row["p_worse"]) == (0, [0, 0], 1, 1)
    assert (result["fixed"], result["broken"], result["flips"]) == (0, 0, [])
    assert (result["baseline"], result["texts"], result["missing"]) == (MODEL, 4, 0)


def test_a_model_that_lost_a_label_is_significantly_worse_on_it_and_on_no_other():
    result = compare(*[(A + B, B, A + B)] * 30)
    lost, kept = result["labels"]["A"], result["labels"]["B"]
    assert (lost["f1"], lost["baseline_f1"], lost["difference"], lost["interval"]) == (0, 1, -1, [-1, -1])
    assert max(lost["p"], lost["p_worse"], lost["p_worse_adjusted"], result["overall"]["p_worse"]) < 0.001
    assert (kept["difference"], kept["p_worse"], kept["p_worse_adjusted"]) == (0, 1, 1)
    assert result["overall"]["difference"] == pytest.approx(2 / 3 - 1)


def test_a_better_model_is_not_worse():
    overall = compare(*[GAINED] * 30)["overall"]
    assert overall["p"] < 0.001 and overall["p_worse"] == 1


def test_the_p_of_a_few_documents_is_that_of_all_swaps():
    # Of 2³ ways to swap three documents one is as bad as all lost, and two are as far from even.
    overall = compare(*[LOST] * 3)["overall"]
    assert overall["p_worse"] == pytest.approx(1 / 8, abs=0.02)
    assert overall["p"] == pytest.approx(2 / 8, abs=0.02)


def test_the_interval_is_that_of_the_paired_difference():
    # Which documents are hard is the same for both: only the one that differs moves the difference.
    hard, easy = (A, [], []), (A, A, A)
    low, high = compare(*[hard] * 20, *[easy] * 20, GAINED)["overall"]["interval"]
    assert 0 == low < high < 0.15


def test_texts_of_one_document_are_drawn_together():
    pairs = [make_pair(*pair, number=i) for i, pair in enumerate([FOUND, LOST] * 20)]
    baseline = collect_predictions([old for _, old in pairs], model=MODEL)
    apart = compare_models([new for new, _ in pairs], baseline)["overall"]
    for new, _ in pairs:
        new.document = "the same"
    together = compare_models([new for new, _ in pairs], baseline)["overall"]
    low, high = together["interval"]
    assert low == pytest.approx(high) and together["p_worse"] > 0.4 and apart["p_worse"] < 0.001


def test_only_texts_that_both_have_seen_count():
    seen, unseen = make_text(A, A), make_text(A, [], number=1)
    result = compare_models([seen, unseen], collect_predictions([seen], model=MODEL))
    assert (result["texts"], result["missing"], result["overall"]["f1"]) == (1, 1, 1)


def test_equal_texts_count_each():
    text = make_text(A, A)
    result = compare_models([text, text], collect_predictions([make_text(A, [])], model=MODEL))
    assert (result["texts"], result["fixed"]) == (2, 2)


def test_no_common_text_is_one_clear_line():
    with pytest.raises(Ner11Error, match=re.escape("en_toy 1.0.0: none of the test texts is among its predictions. Choose")):
        compare_models([make_text(A, A)], collect_predictions([make_text(A, A, number=1)], model=MODEL))


@pytest.mark.parametrize("pair", [(A, [], []), ([], [], []), (A, A, [])], ids=["neither found any", "empty", "baseline empty"])
def test_nothing_found_is_a_comparison_too(pair):
    result = compare(pair, pair)
    assert result["overall"]["baseline_f1"] == 0
    json.dumps(result, allow_nan=False)


def test_labels_that_one_model_has_count_with_no_f1_for_the_other():
    labels = compare(*[([("Turla", "NEW")], [("Turla", "NEW")], [("Turla", "OLD")])] * 3)["labels"]
    assert {name: (row["baseline_f1"], row["f1"]) for name, row in labels.items()} == {"NEW": (0, 1), "OLD": (0, 0)}
    assert [row["interval"] for row in labels.values()] == [[1, 1], [0, 0]]


def test_a_set_of_labels_has_its_own_hits_and_misses():
    result = compare(([("Turla", "A|B")], [("Turla", "A")], []))
    assert (list(result["labels"]), result["overall"]["baseline_f1"], result["fixed"]) == (["A|B"], 0, 1)


def test_more_labels_that_changed_need_smaller_p_values():
    alone = compare(*[LOST] * 8)["labels"]["A"]
    others = [(f"{word}", f"L{word}") for word in ("used", "KillDisk", "against", "Kyiv")]
    assert alone["p_worse_adjusted"] == alone["p_worse"]
    beside_constant = compare(*[(A + others, others, A + others)] * 8)["labels"]["A"]
    assert beside_constant["p_worse_adjusted"] == alone["p_worse"], "labels in which nothing changed hide no loss"
    among = compare(*[(A + others, [], A + others)] * 8)["labels"]["A"]
    assert among["p_worse_adjusted"] == pytest.approx(5 * among["p_worse"])


def test_a_loss_in_too_few_documents_to_prove_it_is_told():
    result = compare(*[LOST] * 3, *[(B, B, B)] * 20)
    assert result["labels"]["A"]["p_worse_adjusted"] == 1 and result["labels"]["A"]["lost"]
    assert not result["labels"]["B"]["lost"]


def test_the_more_labels_the_more_rounds_so_that_a_loss_can_be_significant_among_them(monkeypatch):
    monkeypatch.setattr(comparison, "_ROUNDS_A_LABEL", 20_000)
    result = compare(*[(A + B, [], A + B)] * 30)
    assert result["labels"]["A"]["p_worse"] == pytest.approx(1 / 40_001)


def test_holm():
    # Sorted: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04, which is not below the one before it.
    assert adjust(np.array([0.01, 0.04, 0.03, 0.005]), np.zeros(4)) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust(np.array([0.9, 0.6]), np.zeros(2)) == [1, 1] and adjust(np.zeros(0), np.zeros(0)) == []


def test_tests_that_can_prove_nothing_are_left_out_of_the_number():
    # Two can reach 0.05 / 2; the third only 0.04, which would do alone, but not among three.
    assert adjust(np.array([0.01, 0.02, 0.04, 0.5]), np.array([0.001, 0.01, 0.04, 0.5])) == pytest.approx([0.02, 0.02, 1, 1])


def test_the_seed_makes_the_result():
    pairs = [FOUND, LOST, GAINED, LOST] * 3
    assert compare(*pairs, seed=1) == compare(*pairs, seed=1) != compare(*pairs, seed=2)


KILLDISK, WIDER = [("KillDisk", "A")], [("used KillDisk", "A")]


@pytest.mark.parametrize(
    ("gold", "right", "wrong", "flip"),
    [
        pytest.param(KILLDISK, KILLDISK, [], ("KillDisk", "missed", "A", "A", None), id="missed"),
        pytest.param(KILLDISK, KILLDISK, [("KillDisk", "B")], ("KillDisk", "type", "A", "A", "B"), id="other label"),
        pytest.param(KILLDISK, KILLDISK, WIDER, ("KillDisk", "boundary", "A", "A", "A"), id="other borders"),
        pytest.param(
            WIDER, WIDER, [("used", "B"), ("KillDisk", "A")], ("used KillDisk", "boundary", "A", "A", "A"), id="in two parts"
        ),
        pytest.param([("KillDisk", "A|B")], [("KillDisk", "B")], [], ("KillDisk", "missed", "A|B", "B", None), id="set"),
        pytest.param([], [], [("Kyiv", "B")], ("Kyiv", "spurious", None, None, "B"), id="spurious"),
        pytest.param(KILLDISK, [], [("KillDisk", "B")], ("KillDisk", "type", "A", None, "B"), id="wrong, not only missed"),
    ],
)
def test_what_one_model_has_right_and_the_other_wrong_is_one_flip(gold, right, wrong, flip):
    place, kind, gold_label, right_label, wrong_label = flip
    labels = {"gold": gold_label, "old": right_label, "new": wrong_label}
    expected = {"kind": kind, "source": "toy", "document": "doc 0", "text": place, **labels}
    new, old = make_pair(gold, wrong, right)
    broken = find_flips([new], [old])
    assert (broken["broken"], broken["fixed"]) == (1, 0)
    (row,) = broken["flips"]
    assert row["before"] + row["text"] + row["after"] == new.text
    assert {key: value for key, value in row.items() if key not in ("before", "after")} == {"what": "broken", **expected}
    fixed = find_flips([old], [new])
    assert (fixed["broken"], fixed["fixed"]) == (0, 1)
    assert fixed["flips"] == [{**row, "what": "fixed", "old": wrong_label, "new": right_label}]


@pytest.mark.parametrize(
    ("gold", "new", "old", "coverage"),
    [
        (KILLDISK, [("KillDisk", "B")], [("KillDisk", "C")], None),
        (KILLDISK, WIDER, [("KillDisk", "C")], None),
        ([], [("used KillDisk", "B")], [("KillDisk against", "B")], None),
        ([("KillDisk", "A|B")], [("KillDisk", "A")], [("KillDisk", "B")], None),
        ([("KillDisk", "?")], [("KillDisk", "A")], [], None),
        (A, A, [*A, ("Kyiv", "OLD")], {"A"}),
    ],
    ids=["both wrong", "wrong in another way", "both spurious", "both allowed", "unknown", "not covered"],
)
def test_no_flip(gold, new, old, coverage):
    flips = find_flips(*([text] for text in make_pair(gold, new, old, coverage=coverage)))
    assert (flips["fixed"], flips["broken"]) == (0, 0)


@pytest.mark.parametrize(
    ("broken", "fixed", "shown"), [(3, 2, (3, 2)), (50, 3, (7, 3)), (3, 50, (3, 7)), (50, 50, (5, 5)), (5, 5, (5, 5))]
)
def test_of_many_flips_some_are_shown_of_each_sort_and_all_are_counted(broken, fixed, shown):
    pairs = [make_pair(*pair, number=i) for i, pair in enumerate([LOST] * broken + [GAINED] * fixed)]
    result = find_flips([new for new, _ in pairs], [old for _, old in pairs], most=10)
    assert (result["broken"], result["fixed"]) == (broken, fixed)
    assert [row["what"] for row in result["flips"]] == ["broken"] * shown[0] + ["fixed"] * shown[1]


def test_flips_are_shown_from_all_sources():
    pairs = [make_pair(*LOST, number=i, source="ab"[i // 50]) for i in range(100)]
    flips = find_flips([new for new, _ in pairs], [old for _, old in pairs], most=10)["flips"]
    assert [row["source"] for row in flips] == ["a"] * 5 + ["b"] * 5
    assert len({row["document"] for row in flips}) == 10
