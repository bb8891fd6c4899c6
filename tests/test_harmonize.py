from pathlib import Path

import pytest

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.datasets import Dataset, load_datasets
from ner11.errors import Ner11Error
from ner11.harmonize import LabelMap, harmonize
from ner11.schema import Schema, load_schema
from tests.trees import node

DOMAINS = Path(__file__).parents[1] / "configs" / "domains"


SCHEMA = Schema(
    "toy",
    [
        node("THREAT", node("ACTOR", active=True), node("MALWARE", node("WIPER"), active=True), node("CAMPAIGN")),
        node("TOOL", active=True),
        node("PLACE", active=True),
    ],
)


def dataset(labels, partial=()):
    return Dataset(
        name="toy",
        path=Path(),
        url="here",
        license="MIT",
        format="columns",
        splits={"train": Path("t")},
        tier="silver",
        weight=0.5,
        labels=labels,
        partial=list(partial),
    )


def run(text, spans, labels):
    read = AnnotatedText(text, [LabelledSpan(start, end, frozenset({o}), origin=o) for start, end, o in spans], where="f.txt")
    (result,) = harmonize([read], dataset(labels), SCHEMA)
    return result


@pytest.mark.parametrize(
    ("target", "labels", "reason"),
    [
        pytest.param("TOOL", {"TOOL"}, "", id="active"),
        pytest.param("WIPER", {"MALWARE"}, "", id="leaf below active"),
        pytest.param("THREAT", {"ACTOR", "MALWARE"}, "", id="inner node"),
        pytest.param(["TOOL", "WIPER"], {"TOOL", "MALWARE"}, "", id="list"),
        pytest.param(["TOOL", "THREAT"], {"TOOL", "ACTOR", "MALWARE"}, "", id="list with inner node"),
        pytest.param("CAMPAIGN", set(), "reserved label", id="reserved"),
        pytest.param("drop", set(), "mapped to drop", id="drop"),
    ],
)
def test_a_source_label_becomes_its_allowed_labels(target, labels, reason):
    (span,) = run("Stuxnet", [(0, 7, "X")], {"X": target}).spans
    assert (span.labels, span.reason, span.origin) == (labels, reason, "X")


@pytest.mark.parametrize("label", ["WIPER", "MALWARE"])
def test_labels_of_the_schema_map_to_themselves(label):
    (span,) = run("Stuxnet", [(0, 7, label)], "schema").spans
    assert span.labels == {"MALWARE"}


@pytest.mark.parametrize(
    ("labels", "partial", "coverage"),
    [
        pytest.param("schema", [], {"ACTOR", "MALWARE", "TOOL", "PLACE"}, id="schema"),
        pytest.param({"X": "TOOL"}, [], {"TOOL"}, id="one"),
        pytest.param({"X": ["TOOL", "WIPER"], "Y": "PLACE"}, [], {"TOOL", "MALWARE", "PLACE"}, id="list"),
        pytest.param({"X": "THREAT"}, [], {"ACTOR", "MALWARE"}, id="inner node"),
        pytest.param({"X": "CAMPAIGN", "Y": "drop"}, [], set(), id="reserved and drop"),
        pytest.param({"X": "THREAT", "Y": "TOOL"}, ["MALWARE"], {"ACTOR", "TOOL"}, id="partial"),
        pytest.param("schema", ["THREAT"], {"TOOL", "PLACE"}, id="partial inner node"),
    ],
)
def test_coverage_is_what_the_map_can_produce_less_what_is_partial(labels, partial, coverage):
    assert LabelMap(dataset(labels, partial), SCHEMA).coverage == coverage


def test_a_text_learns_where_it_comes_from():
    text = run("Stuxnet", [], {"X": "TOOL"})
    assert (text.source, text.tier, text.weight, text.coverage) == ("toy", "silver", 0.5, {"TOOL"})


@pytest.mark.parametrize(
    ("text", "borders", "trimmed"),
    [("a Stuxnet b", (1, 10), (2, 9)), ("\u2028Stuxnet\t", (0, 9), (1, 8)), ("Stuxnet", (0, 7), None)],
)
def test_blank_edges_are_cut_off(text, borders, trimmed):
    (span,) = run(text, [(*borders, "X")], {"X": "TOOL"}).spans
    assert (span.start, span.end, span.reason) == ((*trimmed, "blank edges") if trimmed else (*borders, ""))


def test_unknown_labels_are_listed_with_counts_and_first_places():
    def read():
        yield AnnotatedText("one\ntwo", [LabelledSpan(4, 7, frozenset({"B"}), "B")], where="f.txt", line=5)
        spans = [LabelledSpan(0, 5, frozenset({name}), name) for name in ("A", "X", "B")]
        yield AnnotatedText("three", spans, where="g.txt", line=1)

    seen = []
    with pytest.raises(Ner11Error) as error:
        seen.extend(harmonize(read(), dataset({"X": "TOOL"}), SCHEMA))
    assert len(seen) == 2
    assert str(error.value) == (
        "data set toy: labels without a place in the schema: B (2 spans, first in f.txt:6), A (1 spans, first in g.txt:1). "
        "Correct them, or map them under 'labels' in datasets.yml (to a node, a list of nodes, or drop)."
    )


def test_an_unknown_label_of_the_schema_is_listed():
    with pytest.raises(Ner11Error, match=r"TOOLS \(1 spans, first in f\.txt:1\)"):
        run("Stuxnet", [(0, 7, "TOOLS")], "schema")


@pytest.mark.parametrize(("labels", "partial"), [({"X": "TOLL"}, []), ({"X": ["TOOL", "TOLL"]}, []), ({"X": "TOOL"}, ["TOLL"])])
def test_a_map_to_an_unknown_node_names_data_set_and_nearest_node(labels, partial):
    with pytest.raises(Ner11Error) as error:
        LabelMap(dataset(labels, partial), SCHEMA)
    assert str(error.value) == "data set toy: unknown label 'TOLL'. Did you mean TOOL."


def test_every_declared_map_fits_its_schema():
    maps = [
        LabelMap(one, load_schema(path.with_name("schema.yml")))
        for path in DOMAINS.glob("*/datasets.yml")
        for one in load_datasets(path)
    ]
    assert maps and all(label_map.coverage for label_map in maps)


def test_a_label_that_may_be_reserved_is_unknown_not_certain():
    (span,) = run("Stuxnet", [(0, 7, "X")], {"X": ["TOOL", "CAMPAIGN"]}).spans
    assert (span.labels, span.reason) == (frozenset(), "may be of a reserved label")


@pytest.mark.parametrize("target", [["TOOL", "drop"], []])
def test_a_list_holds_nodes(target):
    with pytest.raises(Ner11Error, match="Map it to nodes, or to drop alone"):
        run("Stuxnet", [(0, 7, "X")], {"X": target})
