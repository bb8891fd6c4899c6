from collections import Counter

import pytest
import spacy

from ner11.errors import Ner11Error
from ner11.evaluation.agreement import cohens_kappa, measure_agreement, read_pairs
from ner11.schema import Schema
from tests.trees import node

MAKE_DOC = spacy.blank("en").make_doc
SCHEMA = Schema(
    "toy",
    [node("TOP", node("PERSON", node("HERO"), active=True), node("PLACE", active=True), node("DATE", active=True), node("ROLE"))],
)


def write(folder, name, **documents):
    (folder / name).mkdir()
    for document, markup in documents.items():
        (folder / name / f"{document}.md").write_text(markup, encoding="utf8")


@pytest.fixture
def measure(tmp_path):
    """Measures two annotations of documents, given as (first, second) by the name of the document."""

    def measure(**documents):
        write(tmp_path, "first", **{name: first for name, (first, _) in documents.items()})
        write(tmp_path, "second", **{name: second for name, (_, second) in documents.items()})
        return measure_agreement(read_pairs(tmp_path / "first", tmp_path / "second"), schema=SCHEMA, make_doc=MAKE_DOC)

    return measure


FIRST = "[Alice](PERSON) met [Bob](PERSON) in\n[Oslo](PLACE)"
SECOND = "[Alice](PERSON) met [Bob](PLACE) in\nOslo"


def test_spans_agree_by_borders_and_label(measure):
    result = measure(a=(FIRST, SECOND))
    overall = result["overall"]
    assert (overall["first"], overall["second"], overall["agreed"], overall["f1"]) == (3, 2, 1, pytest.approx(2 / 5))
    assert result["borders"] == {"agreed": 2, "f1": pytest.approx(4 / 5)}
    assert (result["documents"], result["tokens"]) == (1, 5)


def test_labels_have_figures_of_their_own(measure):
    labels = measure(a=(FIRST, SECOND))["labels"]
    # Of 5 tokens the first calls 2 a person and the second 1 of them: (4/5 - 14/25) / (1 - 14/25).
    assert labels["PERSON"] == {"first": 2, "second": 1, "agreed": 1, "f1": pytest.approx(2 / 3), "kappa": pytest.approx(6 / 11)}
    # Each calls another token a place: (3/5 - 17/25) / (1 - 17/25).
    assert labels["PLACE"] == {"first": 1, "second": 1, "agreed": 0, "f1": 0, "kappa": pytest.approx(-1 / 4)}
    assert labels["DATE"] == {"first": 0, "second": 0, "agreed": 0, "f1": None, "kappa": None}


def test_kappa_is_over_the_labels_of_tokens_without_blanks(measure):
    # By chance (2 * 1 + 1 * 1 + 2 * 3) / 25; 3 of 5 are the same.
    assert measure(a=(FIRST, SECOND))["overall"]["kappa"] == pytest.approx((3 / 5 - 9 / 25) / (1 - 9 / 25))


def test_spans_that_touch_the_same_tokens_agree_by_kappa_but_not_by_span(measure):
    overall = measure(a=("a [b](PLACE) [c](PLACE) d", "a [b c](PLACE) d"))["overall"]
    assert (overall["agreed"], overall["kappa"]) == (0, 1)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}, 0.4),
        ({("a", "a"): 3, ("b", "b"): 1}, 1),
        ({("a", "b"): 1, ("b", "a"): 1}, -1),
        ({("a", "a"): 1, ("a", "b"): 1}, 0),
        ({("a", "a"): 9}, None),
        ({}, None),
    ],
    ids=["half by chance", "all", "opposite", "one rater knows one category", "one category", "nothing"],
)
def test_kappa(pairs, expected):
    assert cohens_kappa(Counter(pairs)) == (expected if expected is None else pytest.approx(expected))


def test_disagreements_name_their_place(measure):
    rows = measure(a=("same", "same"), b=(FIRST, SECOND))["disagreements"]
    assert rows == [
        {"document": "b", "line": 1, "surface": "Bob", "first": "PERSON", "second": "PLACE"},
        {"document": "b", "line": 2, "surface": "Oslo", "first": "PLACE", "second": None},
    ]


def test_a_finer_label_counts_as_its_active_one_and_a_reserved_one_as_itself(measure):
    result = measure(a=("[Alice](HERO), [boss](ROLE)", "[Alice](PERSON), [boss](ROLE)"))
    assert result["disagreements"] == []
    assert {label for label, row in result["labels"].items() if row["agreed"]} == {"PERSON", "ROLE"}


def test_the_interval_is_over_documents(measure):
    good, bad = ("[x](PLACE) y", "[x](PLACE) y"), ("[x](PLACE) z", "[x](DATE) z")
    result = measure(a=good, b=good, c=good, d=bad, empty=("nothing", "nothing"))
    low, high = result["overall"]["interval"]
    assert low < result["overall"]["f1"] == 0.75 < high == 1


def test_one_document_has_no_interval(measure):
    assert measure(a=(FIRST, SECOND))["overall"]["interval"] is None


def test_texts_that_differ_name_the_first_line(measure, tmp_path):
    with pytest.raises(Ner11Error) as error:
        measure(a=("one\n[two](PLACE)\nthree", "one\n[two](PLACE)\n3"))
    assert str(error.value).startswith(f"{tmp_path}/second/a.md:3: not the text of {tmp_path}/first/a.md")


def test_a_text_that_ends_early_differs_too(measure, tmp_path):
    with pytest.raises(Ner11Error, match=r"second/a\.md:2: not the text of"):
        measure(a=("one\ntwo", "one"))


@pytest.mark.parametrize("missing", ["first", "second"])
def test_a_missing_file_is_named(tmp_path, missing):
    for name in ("first", "second"):
        write(tmp_path, name, a="x", b="y")
    (tmp_path / missing / "b.md").unlink()
    with pytest.raises(Ner11Error, match=rf"{missing}/b\.md: no document 'b', which the other annotation has"):
        read_pairs(tmp_path / "first", tmp_path / "second")


def test_an_unknown_label_names_its_line(measure, tmp_path):
    with pytest.raises(Ner11Error, match=r"second/a\.md:2: unknown label 'PLCE'"):
        measure(a=("x\n[y](PLACE)", "x\n[y](PLCE)"))
