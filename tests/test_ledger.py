import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.ledger import EXAMPLES, OUTCOMES, Ledger, SpanKey, by_outcome
from tests.readers.fuzz import FUZZ


def make(read, *outcomes):
    ledger = Ledger()
    if read:
        ledger.read["src", "train", "X"] = read
    for outcome, reason, count in outcomes:
        ledger.spans[key(outcome, reason)] = count
    return ledger


def key(outcome="kept", reason="", label="X"):
    return SpanKey("src", "train", label, outcome, reason)


@pytest.mark.parametrize("outcomes", [[("kept", "", 3)], [("kept", "", 1), ("dropped", "a", 1), ("dropped", "b", 1)]])
def test_equal_sums_pass(outcomes):
    make(3, *outcomes).check()


@pytest.mark.parametrize(
    ("read", "outcomes", "accounted"),
    [
        (3, [("kept", "", 2)], 2),
        (3, [("kept", "", 2), ("unknown", "", 2)], 4),
        (3, [], 0),
        (0, [("kept", "", 1)], 1),
        (1, [("kept", "", 2), ("merged", "", -1)], 1),
    ],
    ids=["lost", "counted twice", "all lost", "never read", "fewer than none"],
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


def test_a_later_step_gives_spans_another_outcome():
    ledger = make(3, ("kept", "", 2), ("merged", "why", 1))
    ledger.move(key(), "merged", "why", 2)
    assert ledger.spans == {key("merged", "why"): 3}
    ledger.check()


def test_ledgers_add_up():
    ledger = make(1, ("kept", "", 1))
    for place in "abcde":
        other = make(2, ("kept", "", 1), ("unknown", "why", 1))
        other.texts["src", "train", "kept", ""] = 1
        other.problems["src", "train", "odd"] = 1
        other.example(key("unknown", "why"), place, "what")
        ledger.update(other)
    assert (ledger.spans[key()], ledger.spans[key("unknown", "why")]) == (6, 5)
    assert (ledger.texts.total(), ledger.problems.total()) == (5, 5)
    assert ledger.examples == {key("unknown", "why"): ["a: what", "b: what", "c: what"]}
    ledger.check()


def test_examples_are_few_and_the_first():
    ledger = Ledger()
    for i in range(10):
        ledger.example(key(), f"f:{i}")
    assert ledger.examples[key()] == [f"f:{i}" for i in range(EXAMPLES)]


def test_rows_are_flat_and_sorted():
    ledger = make(3, ("unknown", "why", 1), ("kept", "", 2))
    ledger.texts["src", "train", "kept", ""] = 4
    ledger.problems["src", "train", "odd"] = 5
    ledger.example(key("unknown", "why"), "f:1", "x")
    common = {"source": "src", "split": "train"}
    assert ledger.to_rows() == {
        "read": [{**common, "label": "X", "count": 3}],
        "spans": [
            {**common, "label": "X", "outcome": "kept", "reason": "", "count": 2},
            {**common, "label": "X", "outcome": "unknown", "reason": "why", "count": 1, "examples": ["f:1: x"]},
        ],
        "texts": [{**common, "outcome": "kept", "reason": "", "count": 4}],
        "problems": [{**common, "problem": "odd", "count": 5}],
    }


COUNTS = st.dictionaries(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["train", "test"]),
        st.text(max_size=3),
        st.sampled_from(list(OUTCOMES)),
        st.text(max_size=3),
    ),
    st.integers(1, 9),
    max_size=6,
)


@FUZZ
@given(COUNTS)
def test_a_ledger_survives_the_disk(counts):
    ledger = Ledger()
    for one, count in counts.items():
        ledger.spans[SpanKey(*one)] = count
        ledger.read[one[:3]] += count
        ledger.texts[one[0], one[1], one[3], one[4]] += count
        ledger.problems[one[0], one[1], one[4]] += count
        ledger.example(SpanKey(*one), "f:1", one[2])
    restored = Ledger.from_rows(json.loads(json.dumps(ledger.to_rows())))
    assert restored.to_rows() == ledger.to_rows()
    assert restored.spans == ledger.spans
    restored.check()


@pytest.mark.parametrize("rows", [{}, [], {"read": [{}]}, {"read": [], "spans": [], "texts": []}])
def test_what_is_no_ledger_is_told(rows):
    with pytest.raises(Ner11Error, match="damaged, or of another version"):
        Ledger.from_rows(rows)


def test_outcomes_are_summed_over_labels_and_splits_in_their_own_order():
    rows = [
        {"source": source, "split": split, "label": label, "outcome": outcome, "reason": "", "count": 1}
        for source in ("b", "a")
        for split in ("train", "test")
        for label in ("X", "Y")
        for outcome in reversed(OUTCOMES)
    ]
    assert by_outcome(rows) == [(source, outcome, "", 4) for source in ("a", "b") for outcome in OUTCOMES]
