from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.annotation import NO_LABELS, AnnotatedText, LabelledSpan
from ner11.datasets import Dataset, load_datasets
from ner11.errors import Ner11Error
from ner11.harmonize import Harmonizer, Unmapped, repair_text
from ner11.schema import Schema, load_schema
from tests.readers.fuzz import FUZZ
from tests.trees import node

DOMAINS = Path(__file__).parents[1] / "configs" / "domains"
ALL = {"ACTOR", "MALWARE", "TOOL", "PLACE"}


SCHEMA = Schema(
    "toy",
    [
        node("THREAT", node("ACTOR", active=True), node("MALWARE", node("WIPER"), active=True), node("CAMPAIGN")),
        node("TOOL", active=True),
        node("PLACE", active=True),
    ],
)


def dataset(labels="schema", **settings):
    return Dataset(
        name="toy",
        path=Path(),
        url="here",
        license="MIT",
        format="columns",
        splits={"train": "t"},
        tier="silver",
        weight=0.5,
        labels=labels,
        **settings,
    )


def run(text, spans, labels="schema", group="", **settings):
    """Harmonize a text with spans given as (start, end, label), or (start, end, label, fields of the span)."""
    read = AnnotatedText(text, where="f.txt", group=group)
    for start, end, origin, *fields in spans:
        read.spans.append(LabelledSpan(start, end, origin, **(fields[0] if fields else {})))
    harmonizer = Harmonizer(dataset(labels, **settings), SCHEMA)
    result = harmonizer(read)
    harmonizer.unmapped.check(harmonizer.dataset)
    return result


@pytest.mark.parametrize(
    ("target", "labels", "outcome", "reason"),
    [
        pytest.param("TOOL", {"TOOL"}, "kept", "", id="active"),
        pytest.param("WIPER", {"MALWARE"}, "kept", "", id="leaf below active"),
        pytest.param("THREAT", {"ACTOR", "MALWARE"}, "kept", "", id="inner node"),
        pytest.param(["TOOL", "WIPER"], {"TOOL", "MALWARE"}, "kept", "", id="list"),
        pytest.param(["TOOL", "THREAT"], {"TOOL", "ACTOR", "MALWARE"}, "kept", "", id="list with inner node"),
        pytest.param("CAMPAIGN", set(), "outside", "reserved label", id="reserved"),
        pytest.param(["TOOL", "CAMPAIGN"], set(), "unknown", "may be of a reserved label", id="list with reserved"),
        pytest.param("drop", set(), "unknown", "mapped to drop", id="drop"),
    ],
)
def test_a_source_label_becomes_its_allowed_labels(target, labels, outcome, reason):
    (span,) = run("Stuxnet", [(0, 7, "X")], {"X": target}).spans
    assert (span.labels, span.outcome, span.reason, span.origin) == (labels, outcome, reason, "X")


@pytest.mark.parametrize("label", ["WIPER", "MALWARE"])
def test_labels_of_the_schema_map_to_themselves(label):
    (span,) = run("Stuxnet", [(0, 7, label)], "schema").spans
    assert span.labels == {"MALWARE"}


@pytest.mark.parametrize(
    ("labels", "settings", "coverage"),
    [
        pytest.param("schema", {}, ALL, id="schema"),
        pytest.param({"X": "TOOL"}, {}, {"TOOL"}, id="one"),
        pytest.param({"X": ["TOOL", "WIPER"], "Y": "PLACE"}, {}, {"TOOL", "MALWARE", "PLACE"}, id="list"),
        pytest.param({"X": "THREAT"}, {}, {"ACTOR", "MALWARE"}, id="inner node"),
        pytest.param({"X": "CAMPAIGN", "Y": "drop"}, {}, set(), id="reserved and drop"),
        pytest.param({"X": "THREAT", "Y": "TOOL"}, {"partial": ["MALWARE"]}, {"ACTOR", "TOOL"}, id="partial"),
        pytest.param("schema", {"partial": ["THREAT"]}, {"TOOL", "PLACE"}, id="partial inner node"),
        pytest.param({"X": "TOOL"}, {"coverage": ["PLACE"]}, {"PLACE"}, id="declared"),
        pytest.param({"X": "TOOL"}, {"coverage": []}, set(), id="declared as nothing"),
        pytest.param(
            "schema", {"coverage": ["THREAT", "TOOL"], "partial": ["ACTOR"]}, {"MALWARE", "TOOL"}, id="declared, partial"
        ),
    ],
)
def test_coverage_is_declared_or_what_the_map_can_produce_less_what_is_partial(labels, settings, coverage):
    assert Harmonizer(dataset(labels, **settings), SCHEMA).coverage == coverage
    assert run("Stuxnet", [], labels, **settings).coverage == coverage


@pytest.mark.parametrize(
    ("group", "coverage"), [("news-1", {"PLACE"}), ("news", ALL), ("a-news-1", ALL), ("old-news-1", {"TOOL"}), ("x[1]", set())]
)
def test_documents_of_a_group_may_cover_other_labels(group, coverage):
    groups = [
        {"match": "old-*", "coverage": ["TOOL"]},
        {"match": "news-*", "coverage": ["PLACE"]},
        {"match": "*-news-*9", "coverage": []},
        {"match": "x[[]1]", "coverage": []},
        {"match": "old-news-*", "coverage": ["PLACE"]},
    ]
    assert run("Stuxnet", [], group=group, groups=groups).coverage == coverage


def test_a_text_learns_where_it_comes_from():
    text = run("Stuxnet", [], {"X": "TOOL"})
    assert (text.source, text.tier, text.weight, text.coverage) == ("toy", "silver", 0.5, {"TOOL"})


@pytest.mark.parametrize(
    ("span", "coverage"),
    [
        pytest.param((0, 99, "MALWARE"), ALL - {"MALWARE"}, id="past the end"),
        pytest.param((2, 2, "THREAT"), ALL - {"ACTOR", "MALWARE"}, id="empty, inner node"),
        pytest.param((0, 0, "TOOL", {"outcome": "dropped", "reason": "why"}), ALL - {"TOOL"}, id="dropped by the reader"),
        pytest.param((0, 0, "?", {"outcome": "dropped", "reason": "why"}), NO_LABELS, id="dropped, and may be anything"),
        pytest.param((0, 3, "TOOL", {"surface": "absent"}), ALL - {"TOOL"}, id="its surface stands elsewhere"),
        pytest.param((0, 7, "TOOL", {"outcome": "unknown", "reason": "why"}), ALL, id="its place is known"),
        pytest.param((0, 99, "CAMPAIGN"), ALL, id="reserved"),
        pytest.param((0, 7, "TOOL"), ALL, id="sound"),
    ],
)
def test_a_span_that_may_be_anywhere_takes_its_label_out_of_the_coverage(span, coverage):
    text = run("Stuxnet was here", [span])
    assert text.coverage == coverage
    assert run("Stuxnet was here", []).coverage == ALL, "of its own text only"


@pytest.mark.parametrize(
    ("text", "borders", "fields", "trimmed", "outcome"),
    [
        ("a Stuxnet b", (1, 10), {}, (2, 9), "trimmed"),
        ("\u2028Stuxnet\t", (0, 9), {}, (1, 8), "trimmed"),
        ("Stuxnet", (0, 7), {}, (0, 7), "kept"),
        ("a Stuxnet b", (1, 10), {"outcome": "unknown", "reason": "why"}, (2, 9), "unknown"),
        ("in Stuxnet", (1, 10), {"surface": " Stuxnet "}, (3, 10), "repaired"),
        ("a  b", (1, 3), {}, (1, 3), "kept"),
    ],
    ids=["blanks", "other blanks", "none", "unknown", "with a surface", "blanks only"],
)
def test_blank_edges_are_cut_off(text, borders, fields, trimmed, outcome):
    (span,) = run(text, [(*borders, "X", fields)], {"X": "TOOL"}).spans
    assert (span.start, span.end, span.outcome) == (*trimmed, outcome)


def test_a_shifted_span_is_repaired_before_it_is_judged():
    (span,) = run("in Oslo", [(2, 6, "PLACE", {"surface": "Oslo"})]).spans
    assert (span.start, span.end, span.outcome, span.labels) == (3, 7, "repaired", {"PLACE"})


def test_labels_that_the_map_does_not_have_are_listed_with_counts_and_first_places():
    harmonizer = Harmonizer(dataset({"X": "TOOL"}), SCHEMA)
    harmonizer(AnnotatedText("one\ntwo", [LabelledSpan(4, 7, "B")], where="f.txt", line=5))
    later = Harmonizer(dataset({"X": "TOOL"}), SCHEMA)
    later(AnnotatedText("three", [LabelledSpan(0, 5, name) for name in "AXB"], where="g.txt"))
    unmapped = Unmapped()
    for part in (harmonizer.unmapped, later.unmapped):
        unmapped.update(part)
    with pytest.raises(Ner11Error) as error:
        unmapped.check(later.dataset)
    assert str(error.value) == (
        "data set toy: labels without a place in the schema: B (2 spans, first in f.txt:6), A (1 spans, first in g.txt:1). "
        "Correct them, or map them here (to a node, a list of nodes, or drop)."
    )


def test_an_unknown_label_of_the_schema_is_listed():
    with pytest.raises(Ner11Error, match=r"TOOLS \(1 spans, first in f\.txt:1\)"):
        run("Stuxnet", [(0, 7, "TOOLS")], "schema")


@pytest.mark.parametrize(
    ("labels", "settings", "key"),
    [
        ({"X": "TOLL"}, {}, "labels"),
        ({"X": ["TOOL", "TOLL"]}, {}, "labels"),
        ({"X": "TOLL"}, {"coverage": ["TOOL"]}, "labels"),
        ({"X": "TOOL"}, {"partial": ["TOLL"]}, "partial"),
        ({"X": "TOOL"}, {"coverage": ["TOLL"]}, "coverage"),
        ({"X": "TOOL"}, {"groups": [{"match": "*", "coverage": ["TOLL"]}]}, "groups"),
    ],
    ids=["label", "list", "label beside a coverage", "partial", "coverage", "group"],
)
def test_an_unknown_node_is_named_with_the_data_set_and_the_nearest_node(labels, settings, key):
    with pytest.raises(Ner11Error) as error:
        Harmonizer(dataset(labels, **settings), SCHEMA)
    assert str(error.value) == f"data set toy: {key}: unknown label 'TOLL'. Did you mean TOOL."


@pytest.mark.parametrize("settings", [{}, {"coverage": ["TOOL"]}])
@pytest.mark.parametrize("target", [["TOOL", "drop"], []])
def test_a_list_holds_nodes(target, settings):
    with pytest.raises(Ner11Error, match="Map it to nodes, or to drop alone"):
        Harmonizer(dataset({"X": target}, **settings), SCHEMA)


def test_every_declared_map_fits_its_schema():
    declared = {path.with_name("schema.yml"): load_datasets(path) for path in DOMAINS.glob("*/datasets.yml")}
    maps = [Harmonizer(one, schema) for path, sets in declared.items() for schema in [load_schema(path)] for one in sets]
    assert maps


@pytest.mark.parametrize(
    ("text", "damage", "result"),
    [
        ("Table 1: x", "", "left out by the rule 'skip'"),
        ("See Table 1", "", ""),
        ("table 1", "", ""),
        ("Table 1", "torn", "torn"),
    ],
)
def test_texts_that_begin_with_a_pattern_are_left_out(text, damage, result):
    read = AnnotatedText(text, damage=damage)
    assert Harmonizer(dataset(skip=r"Table \d"), SCHEMA)(read).damage == result


BAD = "Zürich – café"
MOJIBAKE = BAD.encode().decode("windows-1252")


@pytest.mark.parametrize("repair", [True, False])
def test_wrongly_decoded_text_is_put_right_where_that_is_asked_for(repair):
    text = run(f"in {MOJIBAKE} now", [(3, 3 + len(MOJIBAKE), "PLACE")], repair=repair)
    assert text.text == f"in {BAD if repair else MOJIBAKE} now"
    assert [text.text[span.start : span.end] for span in text.spans] == [BAD if repair else MOJIBAKE]
    assert text.problems == (["mojibake repaired"] if repair else [])


@pytest.mark.parametrize("text", ["plain", "sound Zürich – 🐍", ""])
def test_sound_text_is_left_alone(text):
    assert (run(text, [], repair=True).text, run(text, [], repair=True).problems) == (text, [])


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(["Zürich", "ok", "–", "“Ä", "🐍", "\n"]), st.booleans(), st.booleans()), max_size=8))
def test_repaired_spans_hold_what_they_held(words):
    text, marked = AnnotatedText(""), []
    for word, is_broken, is_marked in words:
        stored = word.encode().decode("windows-1252") if is_broken and word != "🐍" else word
        if is_marked:
            text.spans.append(LabelledSpan(len(text.text), len(text.text) + len(stored), "X", surface=stored))
            marked.append(word)
        text.text += stored + " "
    repair_text(text)
    assert [text.text[span.start : span.end] for span in text.spans] == marked
    assert [span.surface for span in text.spans] == marked


def test_offsets_outside_the_text_survive_its_repair():
    text = run(f"{MOJIBAKE}", [(0, 10**9, "PLACE"), (-3, 2, "PLACE")], repair=True)
    assert [span.outcome for span in text.spans] == ["dropped", "dropped"]
