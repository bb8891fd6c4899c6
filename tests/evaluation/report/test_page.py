import re
from html.parser import HTMLParser

import pytest

from ner11.evaluation.report.examples import EXAMPLES, PAIRS, draw_examples
from ner11.evaluation.report.formatting import cell, chance, duration, signed, signed_range, tell_apart
from ner11.evaluation.report.page import ceiling, write_report
from ner11.evaluation.report.view import gate_rows, headline
from tests.evaluation.report.data import (
    EMPTY_LEDGER,
    ERRORS,
    LEDGER,
    LOG,
    STATISTICS,
    make_error,
    make_gate,
    make_metrics,
    make_summary,
    span_row,
)


def write(folder, *, ledger=LEDGER, statistics=STATISTICS, rows=ERRORS, log=LOG, **changes):
    write_report(folder, metrics=make_metrics(**changes), ledger=ledger, statistics=statistics, errors=rows, log=log)


@pytest.fixture
def render(tmp_path, monkeypatch):
    """Gives the text of a report without plots, one string a table row or other line, and its source."""
    monkeypatch.setattr("ner11.evaluation.report.page.make_plots", lambda metrics, log: {})

    def render(name="index.html", **content):
        write(tmp_path, **content)
        html = (tmp_path / name).read_text(encoding="utf8")
        body = re.sub(r"<(style|script)>.*?</\1>|<wbr>|&shy;", "", html, flags=re.DOTALL)
        cells = re.sub(r"</t[dh]>\s*<t[dh][^>]*>", " | ", body)
        return [" ".join(line.split()) for line in re.sub(r"<[^>]*>", "", cells).splitlines() if line.strip()], html

    return render


def any_line(lines, *parts):
    return any(all(part in line for part in parts) for line in lines)


def test_a_passed_verdict_is_told_in_words(render):
    lines, html = render()
    assert "May ship: all 2 gates passed" in lines and 'class="verdict good"' in html
    assert "<title>en_toy 1.2.3: may ship</title>" in html
    assert "Every figure that a release must reach was reached on texts that were kept apart from training." in lines


FAILED = make_gate(passed=False, status="failed", note="under 90.0", minimum=0.9)
UNPROVEN = make_gate(label="CVE", status="not proven", min_support=20, note="too few")


def test_a_failed_verdict_says_why(render):
    lines, html = render(verdict={"may_ship": False, "reasons": ["F1 of TOOL is 81.8"]}, gates=[make_gate(), FAILED])
    assert "Must not ship: 1 of 2 gates failed" in lines and 'class="verdict bad"' in html
    assert "F1 of TOOL is 81.8." in lines
    assert "<title>en_toy 1.2.3: must not ship</title>" in html


def test_of_many_reasons_the_first_stand_above_the_table_of_gates(render):
    verdict = {"may_ship": False, "reasons": [f"reason {i}" for i in range(9)]}
    lines, _ = render(verdict=verdict, gates=[FAILED] * 9)
    assert any_line(lines, "reason 0.", "reason 2.", "6 more are in the table below.") and not any_line(lines, "reason 3")


@pytest.mark.parametrize(
    ("verdict", "gates", "expected"),
    [
        (True, [make_gate()], "May ship: the one gate passed"),
        (False, [], "Must not ship: no gates are set"),
        (False, [FAILED, FAILED], "Must not ship: 2 of 2 gates failed"),
        (True, [make_gate(), UNPROVEN, make_gate()], "May ship: 2 of 3 gates passed, 1 not proven but allowed"),
    ],
)
def test_the_headline_counts_gates(verdict, gates, expected):
    assert headline({"may_ship": verdict}, gates) == expected


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        (
            [make_gate(), UNPROVEN],
            "1 figure that a release must reach is not proven, which configs/gates/toy.csv allows; every other one was reached "
            "on texts that were kept apart from training.",
        ),
        ([UNPROVEN] * 2, "2 figures that a release must reach are not proven, which configs/gates/toy.csv allows."),
    ],
)
def test_what_was_not_proven_is_not_said_to_be_reached(render, gates, expected):
    lines, _ = render(gates=gates, verdict={"may_ship": True, "reasons": ["so many passed", "F1 of CVE is not proven: too few"]})
    assert expected in " ".join(lines) and "F1 of CVE is not proven: too few." in " ".join(lines)
    assert not any_line(lines, "Every figure") and not any_line(lines, "so many passed")


def test_gates_that_failed_come_first_then_those_not_proven(render):
    absent = make_gate(label="DAM", status="absent", passed=False, value=None, interval=None, support=0, note="no such label")
    lower = make_gate(label="ALL", bound="lower", value=0.768)
    worse = make_gate(label="ANY", test_set="ALL", metric="no_regression", minimum=0.05, value=0.4321, interval=[-0.02, 0.01])
    lines, _ = render(gates=[make_gate(), UNPROVEN, lower, worse, absent])
    start = lines.index("absent | gold | DAM | F1 | ≥ 80.0 | – | | 0 of 5 | no such label")
    assert lines[start + 1 : start + 5] == [
        "not proven, allowed | gold | CVE | F1 | ≥ 80.0 | 81.8 | [76.8, 86.8] | 10 of 20 | too few",
        "passed | gold | TOOL | F1 | ≥ 80.0 | 81.8 | [76.8, 86.8] | 10 |",
        "passed | gold | all labels | F1, lower bound | ≥ 80.0 | 76.8 | [76.8, 86.8] | 10 |",
        "passed | all | every label | no regression | p ≥ 0.05 | p 0.432 | [−2.0, +1.0] | 10 |",
    ]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (make_gate(passed=False, status="failed", minimum=0.6, value=0.5997), ("≥ 60.00", "59.97")),
        (make_gate(passed=False, status="failed", minimum=0.8333, value=0.83325), ("≥ 83.330", "83.325")),
        (make_gate(minimum=0.6, value=0.60001), ("≥ 60.0", "60.0")),
        (make_gate(passed=False, status="failed", minimum=0.6, value=None), ("≥ 60.0", "–")),
        (
            make_gate(passed=False, status="failed", metric="no_regression", minimum=0.05, value=0.04996),
            ("p ≥ 0.05000", "p 0.04996"),
        ),
    ],
)
def test_a_figure_below_the_minimum_does_not_read_like_it(gate, expected):
    (row,) = gate_rows([gate])
    assert (row["needed"], row["reached"]) == expected


def test_the_key_figures_are_a_sentence_too(render):
    lines, _ = render()
    sentence = (
        "Of the 61 entities annotated in the 7 test texts, the model found 35 (57.4%) with exact borders and the right label; "
    )
    assert sentence + "81.4% of the 43 that it marked are right." in lines
    assert any_line(lines, "F167.3[62.3, 72.3]") and any_line(lines, "Change+2.3F1 since 0.9.0")


def test_labels_stand_with_all_that_is_known_of_them(render):
    lines, _ = render()
    assert "PLACE | CONTEXT | 80.0 | 50.0 | 61.5 | | [56.5, 66.5] | 40 | 25 | 92.3 | 0.83" in lines
    assert "TOOL | CYBER | 75.0 | 90.0 | 81.8 | | [76.8, 86.8] | 10 | 12 | | –" in lines
    assert "DATE | CONTEXT | – | 0.0 | 0.0 | | [0.0, 5.0] | 4 | 0 | | –" in lines
    assert "all spans (micro) | | 81.4 | 57.4 | 67.3 | | [62.3, 72.3] | 61 | 43 | 91.0 |" in lines


SEVERAL = make_summary({"TOOL": (9, 3, 1), "TOOL|PLACE": (3, 0, 1), "ZONE": (1, 0, 0)})


def test_spans_of_several_labels_stand_last_with_their_recall_alone(render):
    lines, _ = render(overall=SEVERAL, sources={"gold": SEVERAL, "other": SEVERAL})
    row = "TOOL | PLACE one of several |"
    start = lines.index("ZONE | CONTEXT | 100.0 | 100.0 | 100.0 | | [95.0, 100.0] | 1 | 1 | –")
    assert lines[start + 1] == f"{row} | – | 75.0 | – | | | 4 | 3 | –"
    assert f"{row} – | 75.0 | – | | | 4 | 3" in lines  # of one test set
    assert (
        "| TOOL\\|PLACE (one of several) | – | 75.0 | – | | 4 | 3 |"
        in render("report.md", overall=SEVERAL, sources={"gold": SEVERAL})[1]
    )


def test_changes_of_spans_of_several_labels_stand_last(render):
    comparison = make_metrics()["comparison"]
    row = comparison["labels"]["PLACE"]
    lines, _ = render(comparison={**comparison, "labels": {"A|B": {**row, "lost": True}, "C": row}})
    start = lines.index("C | 65.0 | 67.3 | +2.3 | [−1.0, +5.0] | 1.000")
    assert lines[start + 1] == "A | B one of several fell to 0 | 65.0 | 67.3 | +2.3 | [−1.0, +5.0] | 1.000"


def test_labels_that_the_model_does_not_have_are_named(render):
    assert "The model has no such labels, so it can only miss their spans: DAM (12)." in render(unknown_labels={"DAM": 12})[0]


def test_agreement_counts_where_there_are_spans_enough():
    rows = {"A": {"first": 4, "second": 5, "f1": 0.9}, "B": {"first": 4, "second": 4, "f1": 0.2}}
    assert ceiling({"labels": rows, "overall": {"f1": 0.8}}) == {"A": 0.9, "": 0.8}
    assert ceiling(None) == {}


def test_agreement_is_a_ceiling_where_all_test_texts_are_of_the_gold_set(render):
    lines, _ = render()
    assert any_line(lines, "Human agreement91.0F1, a ceiling")
    assert any_line(lines, "agree with F1 91.0 [85.0, 96.0];", "this one has F1 67.3 on gold", "The table of labels shows it")


OTHER = make_summary({"TOOL": (1, 0, 9), "PLACE": (20, 5, 20)})


def test_agreement_on_the_gold_set_stands_beside_no_figure_of_other_texts(render):
    changes = {"overall": OTHER, "sources": {"gold": make_summary(), "other": OTHER}}
    lines, _ = render(**changes)
    assert any_line(lines, "Human agreement91.0F1 on gold; the model 67.3")
    assert any_line(lines, "this one has F1 67.3 on gold", "The table of its labels under Test sets")
    assert "PLACE | CONTEXT | 80.0 | 50.0 | 61.5 | | [56.5, 66.5] | 40 | 25 | 0.83" in lines
    assert any_line(lines, "all spans (micro) |", "| 50 | 26 |") and not any_line(lines, "all spans (micro) |", "91.0")
    assert "PLACE | 80.0 | 50.0 | 61.5 | | [56.5, 66.5] | 40 | 25 | 92.3" in lines  # of gold
    assert "PLACE | 80.0 | 50.0 | 61.5 | | [56.5, 66.5] | 40 | 25" in lines  # of the other one
    assert "| human agreement, F1 on gold (the model there: 67.3) | 91.0 | |" in render("report.md", **changes)[1]


def test_without_the_gold_set_agreement_is_no_ceiling(render):
    changes = {"sources": {"other": make_summary()}}
    lines, _ = render(**changes)
    assert any_line(lines, "Human agreement–not measured on these texts")
    assert any_line(lines, "agree with F1 91.0", "The gold set is none of the test sets")
    assert "| human agreement, F1 | not measured on these texts | |" in render("report.md", **changes)[1]


def test_calibration_on_a_sample_says_so(render):
    assert not any_line(render()[0], "of 7 texts")
    calibration = make_metrics()["calibration"] | {"texts": 3, "words": 1100}
    lines, _ = render(calibration=calibration)
    assert "On 3 of 7 texts (1,100 words)." in lines
    assert "Found spans by confidence, about as many in each row, on 3 of 7 texts." in lines


@pytest.mark.parametrize(
    ("status", "note", "tile", "section"),
    [
        ("first", "", "first release", "This is the first release"),
        ("off", "off", "not compared: switched off", "Not compared: switched off by --vars.baseline none."),
        ("missing", "no file x.jsonl", "not compared: no file x.jsonl", "Not compared: no file x.jsonl."),
    ],
)
def test_why_there_is_no_comparison_is_said(render, status, note, tile, section):
    changes = {"comparison": None, "baseline": {"status": status, "note": note}}
    lines, _ = render(**changes)
    assert any_line(lines, f"Change–{tile}") and any_line(lines, section)
    assert any_line(lines, "first release") == (status == "first")
    assert f"| change | {tile} | |" in render("report.md", **changes)[1]


def without_intervals(value):
    if isinstance(value, dict):
        return {key: None if key.endswith("interval") else without_intervals(one) for key, one in value.items()}
    return [without_intervals(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["index.html", "report.md"])
def test_a_single_document_has_no_intervals(render, name):
    lines, _ = render(name, **without_intervals(make_metrics()))
    assert not any_line(lines, "None") and not any(re.search(r"\w [.;,)]", line) for line in lines)
    assert name == "report.md" or any_line(lines, "F167.3no interval")


def test_categories_stand_below_their_tier(render):
    lines, _ = render()
    start = lines.index("tier, category | precision | recall | F1 | 0 to 100 | 95% interval | support | found")
    assert [line.split(" | ")[0] for line in lines[start + 1 : start + 6]] == ["CONTEXT", "SITE", "TIME", "CYBER", "MEANS"]


def test_sources_have_tables_of_their_own_if_there_are_several(render):
    assert not any_line(render()[0], "gold by label")
    lines, _ = render(sources={"gold": make_summary(), "other": make_summary({"TOOL": (1, 0, 0)})})
    assert any_line(lines, "other by label") and any_line(lines, "gold | 7 | 5 | 1,234 | 61 | 81.4")


def test_the_parts_are_filled(render):
    lines, _ = render()
    assert any_line(lines, "unseen | 71.4 | 41.7")
    assert any_line(lines, "lower case | 72.7 | 48.0", "| 8.2 | [3.0, 13.0]")
    assert any_line(lines, "typos |", "| −0.1 |")
    assert "before temperature | 43 | 11.8 | [4.0, 9.0] | 0.153 | [0.110, 0.180]" in lines
    assert any_line(lines, "Threshold by label for 90% precision")
    assert "PLACE | 0.83 | 91.0 | 40.0 | 11 | 88.0 | 35.0 | 16 |" in lines
    assert any_line(lines, "F1 65.0 → 67.3: +2.3 points [−1.0, +5.0]", "0.210 (two-sided p)")
    assert any_line(lines, "TOOL | 65.0 | 67.3 | −4.0 | [−1.0, +5.0] | &lt; 0.001")
    assert any_line(lines, "in Oslo PLACE today | PLACE | nothing | PLACE | gold, gold/a")
    assert "missed | PLACE not found | 14 | Oslo · Kyiv" in lines
    assert any_line(lines, "42 steps over 999 words; best F1 on the development set 50.0 at step 40, stopped early.")
    assert any_line(lines, "training 1 min 15 s, evaluation 8 s") and any_line(lines, "energy of training", "not measured")


def test_the_corpus_adds_up(render):
    lines, _ = render()
    assert "data set | read | kept | unknown" in lines
    assert "b | 1,007 | 1,004 | 3" in lines and "c | 2 | 2 |" in lines
    assert "X | train | unknown | no tag | 3 | f:3: Kyi" in lines
    assert "b | dev | dropped | empty text | 5 | f:9" in lines
    assert "b | dev | a damaged tag | 6 |" in lines
    assert "b | train of c | 7 | 1 | 2" in lines
    assert any_line(lines, "1,009 annotated spans were read from 2 data sets") and any_line(lines, "8 conflicts")
    assert "test: 10 texts, 90 tokens" in lines and "X | 9 | 5 | 1.5 | 25.0 | 3.0 | 50.0" in lines


def test_the_page_of_earlier_versions_goes(tmp_path, render):
    (tmp_path / "corpus.html").write_text("old")
    render()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "report.md"]


EMPTY = make_summary({})
NOTHING_FOUND = make_summary({"TOOL": (0, 0, 10)})
UNTESTED = {"texts": 0, "words": 0, "plain": EMPTY["micro"], "perturbations": {}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"overall": NOTHING_FOUND}, "; it marked nothing at all.", id="nothing found"),
        pytest.param({"overall": EMPTY, "sources": {}}, "No entity is annotated in the 7 test texts", id="no gold"),
        pytest.param({"overall": EMPTY}, "No label is annotated in the test texts, and none was found.", id="no labels"),
        pytest.param({"sources": {}}, "There were no test texts.", id="no sources"),
        pytest.param({"calibration": None, "thresholds": None}, "This head gives no confidences", id="no confidences"),
        pytest.param(
            {"calibration": None, "thresholds": None, "overall": NOTHING_FOUND},
            "The model found no span that counts, so there is no confidence to measure",
            id="nothing to calibrate",
        ),
        pytest.param({"agreement": None}, "the ceiling is not known", id="no agreement"),
        pytest.param({"slices": {}}, "No slices were measured.", id="no slices"),
        pytest.param({"slices": {"surface": {}}}, "no spans", id="empty slice"),
        pytest.param({"robustness": UNTESTED}, "No texts were changed on purpose.", id="no perturbations"),
        pytest.param({"errors": {"counts": {}, "pairs": []}}, "type | right borders, wrong label | 0", id="no errors"),
        pytest.param(
            {"gates": [], "verdict": {"may_ship": False, "reasons": ["No gates are set"]}},
            "No gates are set in configs/gates/toy.csv. Without them nothing says what a release must reach",
            id="no gates",
        ),
    ],
)
def test_what_is_missing_is_said(render, changes, words):
    lines, _ = render(**changes)
    assert any_line(lines, words)
    assert render(name="report.md", **changes)


def test_a_report_of_next_to_nothing_is_whole(render):
    lines, _ = render(rows=(), log=(), ledger=EMPTY_LEDGER, statistics=None)
    assert any_line(lines, "There are no errors to show.") and any_line(lines, "What the readers noticed: nothing")


EVIL = "<script>alert('x')</script>&\"|`"


@pytest.mark.parametrize("name", ["index.html", "report.md"])
@pytest.mark.parametrize(
    "content",
    [
        {"model": {**make_metrics()["model"], "name": EVIL}},
        {"sources": {EVIL: make_summary(), "other": make_summary()}},
        {"overall": {**make_summary(), "labels": {EVIL: make_summary()["micro"]}}},
        {"verdict": {"may_ship": False, "reasons": [EVIL, EVIL]}},
        {"gates": [make_gate(label=EVIL, note=EVIL, test_set=EVIL)]},
        {"slices": {EVIL: {EVIL: make_summary()["micro"]}}},
        {"errors": {"counts": {}, "pairs": [{"kind": "type", "gold": EVIL, "predicted": EVIL, "count": 2, "examples": [EVIL]}]}},
        {"rows": [{**make_error("type", EVIL, EVIL, text=EVIL), "before": EVIL, "after": EVIL, "source": EVIL}]},
        {"comparison": {**make_metrics()["comparison"], "labels": {EVIL: make_metrics()["comparison"]["labels"]["PLACE"]}}},
        {"ledger": {**LEDGER, "spans": [span_row(1, source=EVIL, label=EVIL, reason=EVIL, examples=[EVIL])]}},
        {"ledger": {**LEDGER, "problems": [{"source": EVIL, "split": "dev", "problem": EVIL, "count": 6}]}},
    ],
    ids=lambda content: next(iter(content)),
)
def test_text_of_others_is_escaped(render, name, content):
    _, html = render(name=name, **content)
    assert html.count("<script>") == (name == "index.html")


def test_flipped_examples_are_escaped(render):
    flip = {"what": "fixed", "source": EVIL, "document": EVIL, "before": EVIL, "text": EVIL, "after": EVIL}
    comparison = make_metrics()["comparison"] | {"flips": [{**flip, "gold": EVIL, "old": EVIL, "new": None}]}
    _, html = render(comparison=comparison)
    assert html.count("<script>") == 1 and html.count("&lt;script&gt;") == 8


def test_only_the_script_of_the_page_may_run(render):
    html = render()[1]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)[1]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert not re.search(r'\b(src|action|on\w+)="|url\(|@import|https?://(?!www\.w3\.org)', html)


def test_every_tag_is_closed_and_every_link_leads_somewhere(tmp_path):
    write(tmp_path)
    opened, ids, links = [], [], []

    class Nesting(HTMLParser):
        def handle_startendtag(self, tag, attrs):
            ids.extend(value for name, value in attrs if name == "id")

        def handle_starttag(self, tag, attrs):
            self.handle_startendtag(tag, attrs)
            links.extend(value[1:] for name, value in attrs if name in ("href", "aria-labelledby") and value.startswith("#"))
            if tag not in ("meta", "input", "wbr"):
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    page = (tmp_path / "index.html").read_text(encoding="utf8")
    Nesting().feed(page)
    assert not opened
    assert len(ids) == len(set(ids)) and set(links) <= set(ids)
    assert [name for name in ("labels", "confusion", "reliability", "thresholds", "learning") if f"plot-{name}" not in ids] == []


def test_the_same_input_gives_the_same_bytes(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert all(
        (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in ("index.html", "report.md")
    )


def test_examples_are_spread_over_kinds_and_pairs():
    missed = [make_error("missed", f"L{i:02}", None) for i in range(20) for _ in range(2)]
    pairs = draw_examples([*missed, *(make_error("type", "A", "B") for _ in range(9))])
    sizes = [(pair["kind"], pair["count"], len(pair["examples"])) for pair in pairs]
    assert sizes == [("type", 9, EXAMPLES), *[("missed", 2, 2)] * PAIRS]


def test_other_surfaces_come_before_the_same_again_and_sure_mistakes_first():
    sure = (("x", 0.9), ("X", 0.8), ("y", 0.3), ("z", 0.5))
    (pair,) = draw_examples([make_error("type", "A", "B", text=text, confidence=value) for text, value in sure])
    assert [one["confidence"] for one in pair["examples"]] == [0.9, 0.5, 0.3, 0.8]


def test_an_example_shows_the_annotation_above_what_was_found():
    (pair,) = draw_examples([make_error("type", "PLACE", "TOOL", text="New\nYork")])
    (one,) = pair["examples"]
    assert 'We flew <mark class="entity">New York<span class="tag"> PLACE</span></mark> today' in one["gold"]
    assert '<mark class="entity">New York<span class="tag"> TOOL</span></mark>' in one["predicted"]


def test_a_span_that_is_not_there_is_not_drawn():
    (pair,) = draw_examples([make_error("missed", "PLACE", None)])
    assert (pair["predicted"], pair["examples"][0]["predicted"], pair["examples"][0]["confidence"]) == (None, None, None)


def test_the_short_form_has_the_same_figures(render):
    _, text = render(name="report.md")
    for part in (
        "# en_toy 1.2.3\n\n**May ship: all 2 gates passed.**",
        "| F1 | 67.3 | [62.3, 72.3] |",
        "| change of F1 since 0.9.0 | +2.3 | [−1.0, +5.0] |",
        "| ✅ passed | gold | TOOL | F1 | ≥ 80.0 | 81.8 | [76.8, 86.8] | 10 |  |",
        "| PLACE | 80.0 | 50.0 | 61.5 | [56.5, 66.5] | 40 | 25 |",
        "| surface | seen | 85.1 |",
        "|  | unseen | 52.6 |",
        "| lower case | 57.8 | 8.2 | [3.0, 13.0] |",
        "| missed | PLACE | nothing | 14 | Oslo · Kyiv |",
    ):
        assert part in text


def test_the_tables_of_the_short_form_have_even_rows(render):
    _, text = render(name="report.md")
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (signed(0.0234), "+2.3"),
        (signed(-0.004), "−0.4"),
        (signed(-0.0001), "0.0"),
        (signed(None), "–"),
        (signed(0.08, plus=""), "8.0"),
        (signed_range([-0.01, 0.02]), "[−1.0, +2.0]"),
        (signed_range(None), ""),
        (chance(0.00001), "< 0.001"),
        (chance(0.0514), "0.051"),
        (chance(None), "–"),
        (duration(3725), "1 h 2 min"),
        (duration(152), "2 min 32 s"),
        (duration(8.2), "8 s"),
        (duration(None), "not measured"),
        (tell_apart(59.97, 60.0, digits=1), ("59.97", "60.00")),
        (tell_apart(59.9, 60.0, digits=1), ("59.9", "60.0")),
        (tell_apart(60.0, 60.0, digits=14), ("60." + "0" * 15, "60." + "0" * 15)),
        (cell("a|b\n*c* <d>"), "a\\|b \\*c\\* &lt;d&gt;"),
    ],
)
def test_numbers_and_cells_are_written(written, expected):
    assert written == expected
