import json
import re
from pathlib import Path

import pytest
from document import END, START, render

ROOT = Path(__file__).parents[2]
ROW = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 8}
RESULTS = {
    "epochs": 3,
    "encoder": "assets/encoders/minilm",
    "ner11": {
        "model": {"head": "transition"},
        "texts_kept": [{"split": "train", "source": "one"}, {"split": "test", "source": "two"}],
        "sources": {"one": {"labels": {"X": ROW, "NEVER": {**ROW, "support": 0}}, "micro": ROW, "texts": 1}},
    },
    "plain": {"one": {"labels": {}, "micro": {"f1": 0.2}}},
}


def test_figures_come_from_the_results():
    text = render(RESULTS)
    assert re.search(r"\| `X` +\| +8 \| +50\.0 \| +25\.0 \| +33\.3 \| +– \|", text)
    assert "**33.3**" in text and "**20.0**" in text
    assert "NEVER" not in text and "trained on one together" in text


@pytest.mark.parametrize("marks", ["nothing", START])
def test_a_readme_without_marks_is_left_alone(run, project, marks):
    (project / "README.md").write_text(marks)
    (project / "benchmarks/results").mkdir(parents=True)
    (project / "benchmarks/results/full.json").write_text(json.dumps(RESULTS))
    done = run("document")
    assert done.exit_code == 1 and "result marks are missing" in done.stderr
    assert (project / "README.md").read_text() == marks


def test_writes_between_the_marks_again_and_again(run, project):
    (project / "README.md").write_text(f"before\n{START}\nold\n{END}\nafter\n")
    (project / "benchmarks/results").mkdir(parents=True)
    (project / "benchmarks/results/full.json").write_text(json.dumps(RESULTS))
    for _ in range(2):
        assert run("document").exit_code == 0
        text = (project / "README.md").read_text()
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
        assert text.count("33.3") == 2


def test_the_readme_shows_the_results_that_are_here():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    results = json.loads((ROOT / "benchmarks/results/full.json").read_text(encoding="utf8"))
    assert render(results) in readme
