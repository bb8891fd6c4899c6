import pytest
import spacy
from spacy.scorer import Scorer
from spacy.tokens import Span
from spacy.training import Example

from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE, compare, count_labels, score_examples

NLP = spacy.blank("en")
TEXT = "Sandworm used KillDisk against Ukraine in 2015"


def make(entities, ambiguous=(), coverage=None):
    doc = NLP.make_doc(TEXT)
    doc.ents = [Span(doc, start, end, label) for start, end, label in entities]
    doc.spans[AMBIGUOUS] = [Span(doc, start, end, label) for start, end, label in ambiguous]
    if coverage is not None:
        doc.user_data[COVERAGE] = coverage
    return doc


def sizes(reference, predicted):
    result = compare(reference, predicted)
    return len(result.hits), len(result.spurious), len(result.missed), len(result.ignored)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([(0, 1, "ACTOR")], [(0, 1, "ACTOR")], (1, 0, 0, 0)),
        ([(0, 1, "ACTOR")], [(0, 1, "TOOL")], (0, 1, 1, 0)),
        ([(0, 1, "ACTOR")], [(0, 2, "ACTOR")], (0, 1, 1, 0)),
        ([(0, 1, "ACTOR")], [], (0, 0, 1, 0)),
        ([], [(0, 1, "ACTOR")], (0, 1, 0, 0)),
        ([], [], (0, 0, 0, 0)),
    ],
)
def test_exact_borders_and_label(gold, predicted, expected):
    assert sizes(make(gold), make(predicted)) == expected


def test_a_label_that_the_source_does_not_cover_is_ignored():
    assert sizes(make([], coverage=["TOOL"]), make([(0, 1, "ACTOR"), (2, 3, "TOOL")])) == (0, 1, 0, 1)


@pytest.mark.parametrize(("label", "expected"), [("A", (1, 0, 0, 0)), ("B", (1, 0, 0, 0)), ("C", (0, 1, 1, 0))])
def test_any_allowed_label_is_right(label, expected):
    assert sizes(make([], ambiguous=[(2, 3, "A|B")]), make([(2, 3, label)])) == expected


def test_predictions_over_an_unknown_span_are_ignored():
    assert sizes(make([], ambiguous=[(2, 4, "?")]), make([(3, 5, "A")])) == (0, 0, 0, 1)


def test_agrees_with_spacys_scorer_on_full_annotation():
    gold = [(0, 1, "ACTOR"), (2, 3, "MALWARE"), (4, 5, "LOCATION")]
    predicted = [(0, 1, "ACTOR"), (2, 4, "MALWARE"), (4, 5, "DATE"), (6, 7, "DATE")]
    examples = [Example(make(predicted), make(gold)), Example(make(gold), make(gold))]
    theirs = Scorer().score(examples)
    ours = score_examples(examples)
    for key in ("ents_p", "ents_r", "ents_f"):
        assert ours[key] == pytest.approx(theirs[key])
    for label, row in theirs["ents_per_type"].items():
        assert {key: value or 0.0 for key, value in ours["ents_per_type"][label].items()} == pytest.approx(row)


def test_counts_by_label():
    counts = count_labels([compare(make([(0, 1, "A"), (2, 3, "A")]), make([(0, 1, "A"), (4, 5, "B")]))])
    assert {label: (count.tp, count.fp, count.fn) for label, count in counts.items()} == {"A": (1, 0, 1), "B": (0, 1, 0)}
    assert counts["A"].precision == 1.0 and counts["A"].recall == 0.5 and counts["B"].recall is None


def test_a_label_that_is_annotated_but_not_covered_counts_on_neither_side():
    reference = make([(0, 1, "ACTOR"), (2, 3, "TOOL")], coverage=["TOOL"])
    assert sizes(reference, make([(0, 1, "ACTOR"), (4, 5, "ACTOR")])) == (0, 0, 1, 2)
    assert sizes(reference, make([(0, 1, "TOOL")])) == (0, 1, 1, 0)


def test_counts_the_spans_that_count_on_each_side():
    reference = make([(0, 1, "ACTOR"), (2, 3, "TOOL")], coverage=["TOOL"])
    scores = score_examples([Example(make([(2, 3, "TOOL"), (4, 5, "TOOL"), (6, 7, "ACTOR")]), reference)])
    assert (scores["ents_predicted"], scores["ents_gold"]) == (2, 1)
