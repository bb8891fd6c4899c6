import re
from html.parser import HTMLParser

import pytest

from ner11.evaluation.gates import Gate, check_gate
from ner11.evaluation.metrics import summarize
from ner11.evaluation.report import write_report
from ner11.pipeline.scoring import Comparison

COMPARISON = Comparison(hits=[(0, 1, "TOOL")] * 3, spurious=[(2, 3, "TOOL")], missed=[(2, 3, "PLACE")], ignored=[(4, 5, "DATE")])


@pytest.fixture
def render(tmp_path):
    """Gives the text of a report, one string a table row or other line, and its source."""

    def render(source="gold", gates=(), ledger=None, model="en_toy", page="index.html", statistics=None, tree=None, **more):
        scores = {"texts": 7, "words": 123, **summarize([COMPARISON], roll_up=tree)}
        metrics = {
            "model": {"name": model, "version": "1.2.3", "encoder": "minilm", "head": "transition"},
            "training": {"steps": 42, "words": 999, "best_score": 0.5, "best_step": 40, "stopped_early": True},
            "overall": scores,
            "sources": {source: scores},
            "gates_file": "gates/demo.csv",
            **more,
        }
        metrics["gates"] = [check_gate(gate, metrics).to_dict() for gate in gates]
        rows = {"spans": [], "texts": [], "problems": [], "leaks": [], "conflicts": 0, **(ledger or {})}
        write_report(tmp_path / "report", metrics=metrics, ledger=rows, statistics=statistics)
        html = (tmp_path / "report" / page).read_text(encoding="utf8")
        cells = re.sub(r"</t[dh]><t[dh][^>]*>", " | ", html)
        return [" ".join(line.split()) for line in re.sub(r"<[^>]*>", "", cells).splitlines() if line.strip()], html

    return render


def test_scores_are_shown_as_percentages(render):
    lines, _ = render()
    assert "en_toy 1.2.3" in lines
    assert "TOOL | 75.0 | 100.0 | 85.7 | | 3 | 4" in lines
    assert "PLACE | – | 0.0 | 0.0 | | 1 | 0" in lines
    assert "all (micro) | 75.0 | 75.0 | 75.0 | | 4 | 4" in lines
    assert "mean of labels (macro) | | | 42.9 | | |" in lines
    assert any("7 texts, 123 words; 1 predictions neither right nor wrong" in line for line in lines)
    assert any("42 steps, 999 words; best dev F1 50.0 at step 40, stopped early" in line for line in lines)


AGREEMENT = {
    "documents": 10,
    "overall": {"f1": 0.625},
    "labels": {"TOOL": {"first": 4, "second": 5, "f1": 0.875}, "PLACE": {"first": 4, "second": 4, "f1": 0.25}},
}


def test_agreement_stands_beside_the_scores_where_it_has_enough_spans(render):
    lines, _ = render(agreement=AGREEMENT)
    assert "label | precision | recall | F1 | | agreement F1 | support | predicted" in lines
    assert "TOOL | 75.0 | 100.0 | 85.7 | | 87.5 | 3 | 4" in lines
    assert "PLACE | – | 0.0 | 0.0 | | | 1 | 0" in lines
    assert "all (micro) | 75.0 | 75.0 | 75.0 | | 62.5 | 4 | 4" in lines
    assert any("two independent annotations of 10 of its documents" in line for line in lines)


def test_agreement_is_about_the_gold_set_alone(render):
    lines, _ = render(source="other", agreement=AGREEMENT)
    assert "TOOL | 75.0 | 100.0 | 85.7 | | 3 | 4" in lines


def test_categories_stand_below_their_tier(render):
    nodes = {"TOOL": ["CYBER", "MEANS", "TOOL"], "PLACE": ["WORLD", "SITE", "PLACE"]}
    paths = {name: path for path in nodes.values() for name in path}
    lines, _ = render(tree=lambda label, level: paths[label][min(level - 1, paths[label].index(label))])
    start = lines.index("tier, category | precision | recall | F1 | | support | predicted")
    assert [line.split(" | ")[0] for line in lines[start + 1 : start + 5]] == ["CYBER", "MEANS", "WORLD", "SITE"]
    assert "MEANS | 75.0 | 100.0 | 85.7 | | 3 | 4" in lines
    assert any("as categories: F1 75.0; as tiers: F1 75.0" in line for line in lines)


def test_without_levels_there_is_no_such_table(render):
    assert "Tiers and categories" not in render()[0]


def test_failed_gates_are_shown_with_their_reason(render):
    gates = [Gate("gold", "TOOL", "f1", 0.8, 1), Gate("gold", "TOOL", "f1", 0.9, 1), Gate("gold", "DATE", "recall", 0.5, 1)]
    lines, html = render(gates=gates)
    assert "gold | TOOL | f1 | 80.0 | 85.7 | 3 | passed" in lines
    assert "gold | TOOL | f1 | 90.0 | 85.7 | 3 | failed: under 0.90" in lines
    assert "gold | DATE | recall | 50.0 | – | 0 | failed: label neither annotated nor predicted" in lines
    assert html.count('class="text pass"') == 1 and html.count('class="text fail"') == 2


def test_no_gates_are_said_so(render):
    assert "No gates are set." in render()[0]


def span_row(count, outcome="kept", **fields):
    return {"source": "b", "split": "train", "label": "X", "outcome": outcome, "reason": "", "count": count, **fields}


LEDGER = {
    "spans": [span_row(4), span_row(3, "unknown", reason="no tag", examples=["f:3: Kyi"]), span_row(2, source="c")],
    "texts": [{"source": "b", "split": "dev", "outcome": "dropped", "reason": "empty text", "count": 5, "examples": ["f:9"]}],
    "problems": [{"source": "b", "split": "dev", "problem": "a damaged tag", "count": 6}],
    "leaks": [{"test": "b", "source": "c", "split": "train", "same": 7, "nearly": 1, "sentence": 2}],
    "conflicts": 8,
}


def test_the_corpus_page_adds_up(render):
    lines, _ = render(ledger=LEDGER, page="corpus.html")
    assert "source | read | kept | unknown" in lines
    assert "b | 7 | 4 | 3" in lines and "c | 2 | 2 |" in lines
    assert "X | train | unknown | no tag | 3 | f:3: Kyi" in lines
    assert "b | dev | dropped | empty text | 5 | f:9" in lines
    assert "b | dev | a damaged tag | 6 |" in lines
    assert "b | train of c | 7 | 1 | 2" in lines
    assert any(line.startswith("8 conflicts") for line in lines)


def test_the_report_leads_to_the_corpus(render):
    lines, html = render(ledger=LEDGER)
    assert any(line.startswith("9 annotated spans were read from 2 data sets") for line in lines)
    assert 'href="corpus.html"' in html


def test_statistics_are_shown_by_split(render):
    label = {"spans": 9, "surfaces": 5, "ambiguous": 1.5, "share": 0.25, "imbalance": 3.0, "unseen": 0.5}
    part = {
        "texts": 10,
        "tokens": 90,
        "texts_without_entity": 2,
        "entity_tokens": 0.125,
        "length_in_tokens": {"p50": 8, "max": 20},
        "length_in_pieces": {},
        "labels": {"X": label},
    }
    lines, _ = render(page="corpus.html", statistics={"test": part})
    assert "test: 10 texts, 90 tokens" in lines
    assert "X | 9 | 5 | 1.5 | 25.0 | 3.0 | 50.0" in lines
    assert any("tokens a text: p50 8, max 20" in line for line in lines)


def test_nothing_found_is_said_so(render):
    lines, _ = render(page="corpus.html")
    assert "nothing" in lines and "none" in lines


EVIL = "<script>alert('x')</script>&"


@pytest.mark.parametrize(
    ("page", "content"),
    [
        ("index.html", {"source": EVIL}),
        ("index.html", {"model": EVIL}),
        ("index.html", {"gates": [Gate(EVIL, EVIL, "f1", 0.5, 1)]}),
        ("corpus.html", {"ledger": {"spans": [span_row(1, source=EVIL)]}}),
        ("corpus.html", {"ledger": {"spans": [span_row(1, label=EVIL, examples=[EVIL])]}}),
        ("corpus.html", {"ledger": {"problems": [{"source": EVIL, "split": "dev", "problem": EVIL, "count": 6}]}}),
    ],
)
def test_text_is_escaped(render, page, content):
    html = render(page=page, **content)[1]
    assert "<script" not in html and "&lt;script&gt;" in html


@pytest.mark.parametrize("page", ["index.html", "corpus.html"])
def test_every_tag_is_closed(render, page):
    opened = []

    class Nesting(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Nesting().feed(
        render(
            gates=[Gate("gold", "TOOL", "f1", 0.9, 1)], ledger=LEDGER, page=page, agreement=AGREEMENT, tree=lambda label, _: label
        )[1]
    )
    assert not opened
