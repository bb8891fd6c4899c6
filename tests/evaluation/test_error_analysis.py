from collections import Counter

import numpy as np
import pytest

from ner11.evaluation import error_analysis
from ner11.evaluation.error_analysis import count_kinds, cut_context, find_errors, find_nearest, frequent_pairs
from ner11.evaluation.mentions import Mention, Mentions
from ner11.evaluation.texts import TestText

NONE = np.zeros(0, dtype=np.int32)
TEXT = "Turla used KillDisk against Kyiv"


def make_text(gold=(), predicted=(), text=TEXT, coverage=None):
    """A text with spans given by their words: `[("Turla", "A")]`."""

    def spans(words):
        return [(text.index(word), text.index(word) + len(word), label) for word, label in words]

    confidences = [(i + 1) / 10 for i in range(len(predicted))]
    return TestText(text, "toy", "gold", "doc", spans(gold), coverage, NONE, NONE, spans(predicted), confidences)


def make_mentions(**counts):
    """Training mentions: how often each surface has each label, as `turla={"A": 2}`; `_` stands for a blank."""
    made = Mentions()
    for name, labels in counts.items():
        surface = name.replace("_", " ")
        for label, count in labels.items():
            made.first[surface.casefold(), label] = Mention(surface, label, "before ", " after", "corpus")
            made.counts[surface.casefold(), label] = count
    return made


def words(span):
    return span and (span["text"], span["label"])


@pytest.mark.parametrize(
    ("gold", "predicted", "kind"),
    [
        ([("KillDisk", "A")], [("KillDisk", "B")], "type"),
        ([("KillDisk", "A")], [("used KillDisk", "A")], "boundary"),
        ([("KillDisk", "A")], [("used KillDisk", "B")], "both"),
        ([("KillDisk", "A")], [], "missed"),
        ([], [("KillDisk", "B")], "spurious"),
    ],
)
def test_each_kind_of_error_is_a_row(gold, predicted, kind):
    (row,) = find_errors([make_text(gold, predicted)], mentions=Mentions())
    assert row["kind"] == kind
    assert (words(row["gold"]), words(row["predicted"])) == (gold[0] if gold else None, predicted[0] if predicted else None)
    assert (row["source"], row["document"], row["nearest"]) == ("toy", "doc", None)


@pytest.mark.parametrize(
    ("gold", "predicted", "coverage"),
    [
        ([("KillDisk", "A")], [("KillDisk", "A")], None),
        ([("KillDisk", "A|B")], [("KillDisk", "B")], None),
        ([("KillDisk", "?")], [("KillDisk", "B")], None),
        ([], [("KillDisk", "B")], {"A"}),
    ],
    ids=["hit", "one of a set", "unknown", "not covered"],
)
def test_what_is_right_or_cannot_be_told_is_no_error(gold, predicted, coverage):
    assert find_errors([make_text(gold, predicted, coverage=coverage)], mentions=Mentions()) == []


def test_the_text_covers_both_spans_and_their_places_fit_it():
    text = f"{'far away ' * 20}{TEXT}{' and so on' * 20}"
    (row,) = find_errors([make_text([("used KillDisk", "A")], [("KillDisk against", "B")], text)], mentions=Mentions())
    assert row["text"] == "used KillDisk against"
    shown = row["before"] + row["text"] + row["after"]
    assert shown in text
    assert all(shown[span["start"] : span["end"]] == span["text"] for span in (row["gold"], row["predicted"]))


def test_errors_are_in_the_order_of_texts_and_places_with_their_confidence():
    second = make_text([("Turla", "A"), ("Kyiv", "C")], [("KillDisk", "B"), ("Kyiv", "D")])
    rows = find_errors([make_text([], [("Kyiv", "C")]), second], mentions=Mentions())
    assert [(row["text"], row["predicted"] and row["predicted"]["confidence"]) for row in rows] == [
        ("Kyiv", 0.1),
        ("Turla", None),
        ("KillDisk", 0.1),
        ("Kyiv", 0.2),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short [x] text", ("short ", " text")),
        (f"{'a' * 50} {'b' * 9}[x]{'c' * 9} {'d' * 50}", (f"{'a' * 50} {'b' * 9}", f"{'c' * 9} {'d' * 50}")),
        (f"{'a' * 51} {'b' * 9}[x]{'c' * 9} {'d' * 51}", ("b" * 9, "c" * 9)),
        (f"z {'a' * 50} {'b' * 9}[x]{'c' * 9} {'d' * 50} z", (f"{'a' * 50} {'b' * 9}", f"{'c' * 9} {'d' * 50}")),
        (f"{'a' * 99}[x]{'c' * 99}", ("a" * 60, "c" * 60)),
        (f"{'a' * 55} {'b' * 9}[x]{'c' * 9}\n{'d' * 49}\nee", ("b" * 9, f"{'c' * 9}\n{'d' * 49}\n")),
    ],
    ids=["whole", "fits", "halves", "at a blank", "one long word", "lines"],
)
def test_contexts_end_at_words(text, expected):
    start = text.index("[")
    assert cut_context(text.replace("[x]", "x"), start, start + 1) == (expected[0], "x", expected[1])


def test_the_same_surface_is_nearest_whatever_its_case_and_label():
    found = find_nearest(["turla"], make_mentions(turlas={"A": 99}, TURLA={"B": 1, "A": 3, "C": 2}))
    assert found == {
        "turla": {
            "surface": "TURLA",
            "label": "A",
            "before": "before ",
            "after": " after",
            "source": "corpus",
            "similarity": 1.0,
        }
    }


def test_else_the_most_similar_one_is():
    found = find_nearest(
        ["operator station", "zzz"], make_mentions(operator_stations={"A": 1}, power_station={"B": 9}, oper={"C": 9})
    )
    assert list(found) == ["operator station"]
    row = found["operator station"]
    assert row["surface"] == "operator stations" and error_analysis.LEAST_SIMILARITY < row["similarity"] < 1


def test_of_equally_similar_ones_the_most_frequent_is():
    for often in ("pump_1", "pump_2"):
        mentions = make_mentions(**{"pump_1": {"A": 1}, "pump_2": {"A": 1}, often: {"A": 2}})
        assert find_nearest(["pump 3"], mentions)["pump 3"]["surface"] == often.replace("_", " ")


def test_it_is_the_annotated_surface_whose_nearest_is_given():
    (row,) = find_errors(
        [make_text([("KillDisk", "A")], [("used KillDisk", "B")])],
        mentions=make_mentions(killdisk={"A": 1}, used_killdisk={"B": 1}),
    )
    assert row["nearest"]["label"] == "A"


def test_many_surfaces_are_compared_in_chunks_with_the_same_result(monkeypatch):
    mentions = make_mentions(**{f"{name}_pump": {"A": 1} for name in ("blue", "green", "fire", "jockey", "booster")})
    surfaces = ["blue pumps", "greene pump", "fires", "jockeys", "boost pump", "???"]
    whole = find_nearest(surfaces, mentions)
    monkeypatch.setattr(error_analysis, "_CHUNK", 2)
    assert find_nearest(surfaces, mentions) == whole
    assert whole["boost pump"]["surface"] == "booster pump"


@pytest.fixture
def rows():
    one = make_text([("Turla", "A"), ("KillDisk", "A")], [("Turla", "B"), ("Kyiv", "B")])
    other = make_text([("Turla", "A")], [("Turla", "B")])
    return find_errors([make_text([("Kyiv", "A")], [("Kyiv", "B")]), one, other], mentions=Mentions())


def test_kinds_are_counted(rows):
    assert count_kinds(rows) == {"type": 3, "boundary": 0, "both": 0, "missed": 1, "spurious": 1}


def test_the_most_frequent_pairs_come_first_with_their_most_frequent_examples(rows):
    pairs = frequent_pairs(rows)
    assert pairs[0] == {"kind": "type", "gold": "A", "predicted": "B", "count": 3, "examples": ["Turla", "Kyiv"]}
    assert [(pair["kind"], pair["gold"], pair["predicted"]) for pair in pairs[1:]] == [
        ("missed", "A", None),
        ("spurious", None, "B"),
    ]
    assert frequent_pairs(rows, most=1) == pairs[:1]


def test_no_errors_give_no_pairs():
    assert frequent_pairs([]) == [] and set(count_kinds([]).values()) == {0}


def test_kinds_add_up_to_missed_and_spurious_spans():
    texts = [make_text([("Turla", "A"), ("Kyiv", "B")], [("Turla used", "A"), ("KillDisk", "C")])] * 3
    counted = Counter()
    for text in texts:
        counted.update(missed=len(text.comparison.missed), spurious=len(text.comparison.spurious))
    kinds = count_kinds(find_errors(texts, mentions=Mentions()))
    pairs = kinds["type"] + kinds["boundary"] + kinds["both"]
    assert (pairs + kinds["missed"], pairs + kinds["spurious"]) == (counted["missed"], counted["spurious"])
