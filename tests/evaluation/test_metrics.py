import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span

from ner11.evaluation.figures import figures
from ner11.evaluation.metrics import evaluate, summarize
from ner11.evaluation.texts import TestText, predict
from ner11.pipeline.scoring import Comparison, Counts
from ner11.schema import Schema
from tests.trees import node

TEXT = "Sandworm used KillDisk against Kyiv"


def reference(nlp, entities=(), unclear=(), text=TEXT, **user_data):
    doc = nlp.make_doc(text)
    doc.ents = [Span(doc, i, i + 1, label) for i, label in entities]
    doc.spans["ambiguous"] = [Span(doc, i, i + 1, label) for i, label in unclear]
    doc.user_data = {"source": "toy", **user_data}
    return doc


@pytest.fixture
def pipeline():
    """Makes a pipeline that labels the given words."""

    def pipeline(labels):
        nlp = spacy.blank("en")
        ruler = nlp.add_pipe("entity_ruler")
        ruler.add_patterns([{"label": label, "pattern": word} for word, label in {"elsewhere": "X", **labels}.items()])
        return nlp

    return pipeline


def text_of(comparison, document="d"):
    text = TestText("", "toy", "gold", document, [], None, np.zeros(0), np.zeros(0), [], [])
    text.comparison = comparison
    return text


def numbers(summary):
    micro = summary["micro"]
    return micro["tp"], micro["fp"], micro["fn"], summary["ignored"]


@pytest.mark.parametrize(
    ("predicted", "gold", "expected"),
    [
        pytest.param({"Sandworm": "A"}, {"entities": [(0, "A")]}, (1, 0, 0, 0), id="right"),
        pytest.param({"Sandworm": "B"}, {"entities": [(0, "A")]}, (0, 1, 1, 0), id="wrong label"),
        pytest.param({}, {"entities": [(0, "A")]}, (0, 0, 1, 0), id="missed"),
        pytest.param({"KillDisk": "B"}, {"unclear": [(2, "A|B")]}, (1, 0, 0, 0), id="ambiguous, allowed"),
        pytest.param({"KillDisk": "C"}, {"unclear": [(2, "A|B")]}, (0, 1, 1, 0), id="ambiguous, not allowed"),
        pytest.param({}, {"unclear": [(2, "A|B")]}, (0, 0, 1, 0), id="ambiguous, missed"),
        pytest.param({"KillDisk": "C"}, {"unclear": [(2, "?")]}, (0, 0, 0, 1), id="unknown"),
        pytest.param({}, {"unclear": [(2, "?")]}, (0, 0, 0, 0), id="unknown, not predicted"),
        pytest.param({"Kyiv": "C"}, {"coverage": ["A", "B"]}, (0, 0, 0, 1), id="uncovered label"),
        pytest.param({"Kyiv": "A"}, {"coverage": ["A", "B"]}, (0, 1, 0, 0), id="covered label"),
        pytest.param({"Kyiv": "C"}, {"entities": [(4, "A")], "coverage": ["A"]}, (0, 0, 1, 1), id="uncovered over known"),
        pytest.param({"Kyiv": "A"}, {"coverage": []}, (0, 0, 0, 1), id="nothing covered"),
    ],
)
def test_predictions_are_compared_with_what_is_known(pipeline, predicted, gold, expected):
    nlp = pipeline(predicted)
    assert numbers(evaluate(predict(nlp, [reference(nlp, **gold)]))["overall"]) == expected


def test_only_the_text_reaches_the_pipeline(pipeline):
    nlp = pipeline({})

    @Language.component("ner11_test_sees_nothing")
    def sees_nothing(doc):
        assert not doc.ents and not doc.spans and not doc.user_data
        return doc

    nlp.add_pipe("ner11_test_sees_nothing")
    assert evaluate(predict(nlp, [reference(nlp, entities=[(0, "A")])]))["overall"]["micro"]["tp"] == 0


def test_sources_are_told_apart_and_added_up(pipeline):
    nlp = pipeline({"Sandworm": "A"})
    texts = [
        reference(nlp, [(0, "A")], source="b"),
        reference(nlp, [(4, "B")], source="a"),
        reference(nlp, [(0, "A")], text="Sandworm again", source="b"),
    ]
    result = evaluate(predict(nlp, texts))
    assert list(result["sources"]) == ["a", "b"]
    assert [(one["texts"], one["words"]) for one in (result["overall"], *result["sources"].values())] == [(3, 12), (1, 5), (2, 7)]
    assert numbers(result["overall"]) == (2, 1, 1, 0)
    assert numbers(result["sources"]["a"]) == (0, 1, 1, 0)
    assert numbers(result["sources"]["b"]) == (2, 0, 0, 0)


def test_no_texts_give_no_figures():
    result = evaluate([])
    assert result["sources"] == {} and result["overall"]["texts"] == 0
    assert result["overall"]["micro"]["f1"] is None and result["overall"]["macro"]["f1"] is None


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1", "support"),
    [
        (Counts(tp=3, fp=1, fn=3), 0.75, 0.5, 0.6, 6),
        (Counts(fp=2), 0.0, None, 0.0, 0),
        (Counts(fn=2), None, 0.0, 0.0, 2),
        (Counts(), None, None, None, 0),
    ],
    ids=["all", "never annotated", "never predicted", "nothing"],
)
def test_figures(counts, precision, recall, f1, support):
    row = figures(counts)
    assert (row["precision"], row["recall"], row["support"]) == (precision, recall, support)
    assert row["f1"] == pytest.approx(f1) if f1 else row["f1"] == f1


def test_the_macro_average_takes_labels_with_support_only():
    span = (0, 1)
    comparison = Comparison(
        hits=[(*span, "A")], missed=[(*span, "B"), (*span, "A")], spurious=[(*span, "C")], ignored=[(*span, "D")]
    )
    summary = summarize([text_of(comparison)])
    assert list(summary["labels"]) == ["A", "B", "C"]
    assert summary["macro"]["f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert summary["micro"]["f1"] == pytest.approx(2 / 5)


def test_a_set_of_labels_has_the_misses_that_belong_to_its_hits(pipeline):
    nlp = pipeline({"Sandworm": "A"})
    unclear = [reference(nlp, unclear=[(0, "A|B")], group=str(i), text=text) for i, text in enumerate([TEXT, "Turla again"])]
    summary = summarize(predict(nlp, [*unclear, reference(nlp, [(0, "A")], group="2")]))
    assert {name: (row["tp"], row["fn"]) for name, row in summary["labels"].items()} == {"A": (1, 0), "A|B": (1, 1)}
    assert summary["macro"] == {"f1": 1.0, "f1_interval": [1.0, 1.0], "labels": 1}


def test_a_single_document_has_no_interval(pipeline):
    nlp = pipeline({"Sandworm": "A"})
    summary = summarize(predict(nlp, [reference(nlp, [(0, "A"), (4, "B")])]))
    assert summary["micro"]["recall"] == 0.5
    assert summary["micro"]["recall_interval"] is None and summary["macro"]["f1_interval"] is None


TREE = Schema(
    "toy",
    [
        node(
            "CYBER", node("THREAT", node("ACTOR", active=True), node("TOOL", active=True)), node("FLAW", node("CVE", active=True))
        ),
        node("PLACE", active=True),
    ],
)


def right_and_wrong(nodes):
    return {name: (row["tp"], row["fp"], row["fn"]) for name, row in nodes.items()}


@pytest.mark.parametrize(
    ("predicted", "gold", "levels"),
    [
        pytest.param(
            {"Sandworm": "TOOL"},
            {"entities": [(0, "ACTOR")]},
            [{"CYBER": (1, 0, 0)}, {"THREAT": (1, 0, 0)}, {"TOOL": (0, 1, 0), "ACTOR": (0, 0, 1)}],
            id="siblings",
        ),
        pytest.param(
            {"Sandworm": "CVE"},
            {"entities": [(0, "ACTOR")]},
            [{"CYBER": (1, 0, 0)}, {"FLAW": (0, 1, 0), "THREAT": (0, 0, 1)}, {"CVE": (0, 1, 0), "ACTOR": (0, 0, 1)}],
            id="cousins",
        ),
        pytest.param(
            {"Sandworm used": "TOOL"},
            {"entities": [(0, "ACTOR")]},
            [{"CYBER": (0, 1, 1)}, {"THREAT": (0, 1, 1)}, {"TOOL": (0, 1, 0), "ACTOR": (0, 0, 1)}],
            id="other borders",
        ),
        pytest.param({"Kyiv": "PLACE"}, {"entities": [(4, "PLACE")]}, [{"PLACE": (1, 0, 0)}] * 3, id="less deep"),
        pytest.param(
            {"KillDisk": "TOOL"},
            {"unclear": [(2, "ACTOR|CVE")]},
            [{"CYBER": (1, 0, 0)}, {"FLAW|THREAT": (1, 0, 0)}, {"TOOL": (0, 1, 0), "ACTOR|CVE": (0, 0, 1)}],
            id="one of a set",
        ),
        pytest.param(
            {},
            {"unclear": [(2, "ACTOR|TOOL")]},
            [{"CYBER": (0, 0, 1)}, {"THREAT": (0, 0, 1)}, {"ACTOR|TOOL": (0, 0, 1)}],
            id="missed set",
        ),
        pytest.param(
            {"Sandworm": "TOOL"},
            {"entities": [(0, "ACTOR")], "coverage": ["ACTOR"]},
            [{"CYBER": (0, 0, 1)}, {"THREAT": (0, 0, 1)}, {"ACTOR": (0, 0, 1)}],
            id="uncovered stays ignored",
        ),
    ],
)
def test_labels_roll_up_to_what_is_above_them(pipeline, predicted, gold, levels):
    nlp = pipeline(predicted)
    overall = evaluate(predict(nlp, [reference(nlp, **gold)]), roll_up=TREE.roll_up)["overall"]
    assert [right_and_wrong(overall["levels"][level]) for level in ("1", "2", "3")] == levels


def test_levels_have_micro_averages_and_name_the_node_above():
    comparison = Comparison(hits=[(0, 1, "PLACE")], spurious=[(2, 3, "TOOL")], missed=[(2, 3, "ACTOR"), (4, 5, "CVE")])
    summary = summarize([text_of(comparison)], roll_up=TREE.roll_up)
    assert [summary["levels_micro"][level]["f1"] for level in ("1", "2", "3")] == pytest.approx([4 / 5, 4 / 5, 2 / 5])
    assert {name: row["parent"] for name, row in summary["levels"]["2"].items()} == {
        "THREAT": "CYBER",
        "FLAW": "CYBER",
        "PLACE": "PLACE",
    }
    assert summary["micro"] == summary["levels_micro"]["3"]


def test_without_a_tree_there_are_no_levels():
    assert "levels" not in summarize([text_of(Comparison(hits=[(0, 1, "A")]))])
