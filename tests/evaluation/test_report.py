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

    def render(source="gold", gates=(), outcomes=(), removed=(), model="en_toy"):
        scores = {"texts": 7, "words": 123, **summarize([COMPARISON])}
        metrics = {
            "model": {"name": model, "version": "1.2.3", "encoder": "minilm", "head": "transition"},
            "training": {"steps": 42, "words": 999, "best_score": 0.5, "best_step": 40, "stopped_early": True},
            "overall": scores,
            "sources": {source: scores},
            "gates_file": "gates/demo.csv",
        }
        metrics["gates"] = [check_gate(gate, metrics).to_dict() for gate in gates]
        path = tmp_path / "report" / "index.html"
        write_report(path, metrics=metrics, ledger={"outcomes": list(outcomes), "removed": list(removed)})
        html = path.read_text(encoding="utf8")
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


def test_failed_gates_are_shown_with_their_reason(render):
    gates = [Gate("gold", "TOOL", "f1", 0.8, 1), Gate("gold", "TOOL", "f1", 0.9, 1), Gate("gold", "DATE", "recall", 0.5, 1)]
    lines, html = render(gates=gates)
    assert "gold | TOOL | f1 | 80.0 | 85.7 | 3 | passed" in lines
    assert "gold | TOOL | f1 | 90.0 | 85.7 | 3 | failed: under 0.90" in lines
    assert "gold | DATE | recall | 50.0 | – | 0 | failed: label neither annotated nor predicted" in lines
    assert html.count('class="text pass"') == 1 and html.count('class="text fail"') == 2


def test_no_gates_are_said_so(render):
    assert "No gates are set." in render()[0]


def test_the_corpus_is_accounted_for(render):
    removed = [{"split": "train", "source": "b", "reason": "also in test of gold", "texts": 2, "spans": 9}]
    lines, _ = render(outcomes=[("b", "widened", "by '.'", 4)], removed=removed)
    assert "b | widened | by &#39;.&#39; | 4" in lines
    assert "train | b | also in test of gold | 2 | 9" in lines


def test_nothing_removed_is_said_so(render):
    assert "none" in render()[0]


EVIL = "<script>alert('x')</script>&"


@pytest.mark.parametrize(
    "content",
    [
        {"source": EVIL},
        {"model": EVIL},
        {"gates": [Gate(EVIL, EVIL, "f1", 0.5, 1)]},
        {"outcomes": [(EVIL, "kept", EVIL, 1)]},
        {"removed": [{"split": "train", "source": EVIL, "reason": EVIL, "texts": 1, "spans": 1}]},
    ],
    ids=lambda content: next(iter(content)),
)
def test_text_is_escaped(render, content):
    html = render(**content)[1]
    assert "<script" not in html and "&lt;script&gt;" in html


def test_every_tag_is_closed(render):
    opened = []

    class Nesting(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Nesting().feed(render(gates=[Gate("gold", "TOOL", "f1", 0.9, 1)])[1])
    assert not opened
