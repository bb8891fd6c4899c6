import pytest

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.gazetteer.silver import PrecisionRow, precision, silver_texts


@pytest.fixture
def made(matcher):
    return matcher(Gnawer="WIPER", Nibbler="CAPABILITY", Oslo="PLACE", Quiet_Dawn="CAMPAIGN")


def annotated(text, *spans, coverage=("GROUP",), source="reports"):
    found = [LabelledSpan(text.index(part), text.index(part) + len(part), "x", frozenset(labels)) for part, labels in spans]
    return AnnotatedText(text, found, "doc", "f", 3, source=source, coverage=frozenset(coverage), problems=["p"], weight=2.0)


def test_silver_texts_hold_what_the_source_does_not_cover(made, schema):
    text = annotated("Gray Heron sent Gnawer to Oslo.", ("Gray Heron", {"GROUP"}), coverage=("GROUP", "PLACE"))
    (silver,) = silver_texts([text], matcher=made, schema=schema, name="gazetteer")
    assert (silver.source, silver.tier, silver.coverage, silver.problems) == ("gazetteer", "silver", frozenset(), [])
    assert (silver.text, silver.group, silver.where, silver.line) == (text.text, "doc", "f", 3)
    (span,) = silver.spans
    assert (span.start, span.end, span.origin, span.labels, span.outcome) == (16, 22, "WIPER", {"MALWARE"}, "kept")
    assert len(text.spans) == 1 and text.tier == "gold"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(annotated("Nothing here."), id="nothing"),
        pytest.param(annotated("Gnawer", coverage=("MALWARE",)), id="covered"),
        pytest.param(annotated("Nibbler", coverage=("TOOL",)), id="covered in part"),
        pytest.param(annotated("The Greater Oslo Group", ("Greater Oslo Group", {"GROUP"})), id="inside an annotated span"),
        pytest.param(annotated("Gnawer", ("Gnawer", ())), id="on an unknown span"),
        pytest.param(annotated("Quiet Dawn"), id="reserved node"),
    ],
)
def test_no_silver_text(made, schema, text):
    assert list(silver_texts([text], matcher=made, schema=schema, name="g")) == []


def test_precision_compares_what_is_covered(made, schema):
    everything = ("MALWARE", "TOOL", "GROUP")
    outside = annotated("Gnawer", ("Gnawer", ()), coverage=everything)
    outside.spans[0].outcome = "outside"
    rows = precision(
        [
            annotated("Gnawer", ("Gnawer", {"MALWARE", "TOOL"}), coverage=everything),
            annotated("the old Gnawer", ("old Gnawer", {"MALWARE"}), coverage=everything),
            annotated("Gnawer", ("Gnawer", {"GROUP"}), coverage=everything),
            outside,
            annotated("Gnawer in Oslo", coverage=everything),
            annotated("Gnawer", ("Gnawer", ()), coverage=everything),
            annotated("Nibbler", ("Nibbler", {"TOOL"}), coverage=everything),
            annotated("Nibbler", coverage=("TOOL",)),
            annotated("Gnawer", ("Gnawer", {"MALWARE"}), coverage=everything, source="another"),
        ],
        matcher=made,
        schema=schema,
    )
    assert rows == [
        PrecisionRow("MALWARE", "another", exact=1, border=0, other=0, none=0),
        PrecisionRow("MALWARE", "reports", exact=1, border=1, other=2, none=1),
        PrecisionRow("MALWARE|TOOL", "reports", exact=1, border=0, other=0, none=0),
    ]
    assert (rows[1].matches, rows[1].precision) == (5, 0.2)
