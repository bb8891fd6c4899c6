import pytest

from ner11.errors import Ner11Error
from ner11.ledger import OUTCOMES, Ledger, by_outcome


def make(read, *outcomes):
    ledger = Ledger()
    if read:
        ledger.read["src", "train", "X"] = read
    for outcome, reason, count in outcomes:
        ledger.spans["src", "train", "X", outcome, reason] = count
    return ledger


@pytest.mark.parametrize("outcomes", [[("kept", "", 3)], [("kept", "", 1), ("dropped", "a", 1), ("dropped", "b", 1)]])
def test_equal_sums_pass(outcomes):
    make(3, *outcomes).check()


@pytest.mark.parametrize(
    ("read", "outcomes", "accounted"),
    [(3, [("kept", "", 2)], 2), (3, [("kept", "", 2), ("unknown", "", 2)], 4), (3, [], 0), (0, [("kept", "", 1)], 1)],
    ids=["lost", "counted twice", "all lost", "never read"],
)
def test_differing_sums_name_the_place(read, outcomes, accounted):
    with pytest.raises(Ner11Error) as error:
        make(read, *outcomes).check()
    assert str(error.value) == (f"src/train/X: read {read} spans, accounted for {accounted}. Report this as a defect of ner11.")


def test_a_surplus_of_one_label_does_not_hide_a_loss_of_another():
    ledger = make(1, ("kept", "", 2))
    ledger.read["src", "train", "Y"] = 1
    with pytest.raises(Ner11Error):
        ledger.check()


def test_rows_are_flat_and_sorted():
    ledger = make(3, ("unknown", "why", 1), ("kept", "", 2))
    ledger.texts["src", "train", "kept", ""] = 4
    common = {"source": "src", "split": "train"}
    assert ledger.to_rows() == {
        "read": [{**common, "label": "X", "count": 3}],
        "spans": [
            {**common, "label": "X", "outcome": "kept", "reason": "", "count": 2},
            {**common, "label": "X", "outcome": "unknown", "reason": "why", "count": 1},
        ],
        "texts": [{**common, "outcome": "kept", "reason": "", "count": 4}],
    }


def test_outcomes_are_summed_over_labels_and_splits_in_their_own_order():
    rows = [
        {"source": source, "split": split, "label": label, "outcome": outcome, "reason": "", "count": 1}
        for source in ("b", "a")
        for split in ("train", "test")
        for label in ("X", "Y")
        for outcome in reversed(OUTCOMES)
    ]
    assert by_outcome(rows) == [(source, outcome, "", 4) for source in ("a", "b") for outcome in OUTCOMES]
