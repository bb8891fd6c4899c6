import json
import re
from pathlib import Path

import pytest
from document import SECTIONS, marks, render_full, render_harmonize

ROOT = Path(__file__).parents[2]
ROW = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 8}
FULL = {
    "epochs": 3,
    "encoder": "assets/encoders/minilm",
    "ner11": {
        "model": {"head": "transition"},
        "texts_kept": [{"split": "train", "source": "one"}, {"split": "test", "source": "two"}],
        "sources": {"one": {"labels": {"X": ROW, "NEVER": {**ROW, "support": 0}}, "micro": ROW, "texts": 1}},
    },
    "plain": {"one": {"labels": {}, "micro": {"f1": 0.2}}},
}


SIZE = {"seconds": 2.0, "cpu_seconds": 3.0, "peak_mib": 100.4}
HARMONIZE = {
    "cores": 2,
    "sizes": [
        {
            "texts": 1000,
            "convert": SIZE,
            "merge": {**SIZE, "peak_mib": 200.6},
            "texts_per_second": 250.0,
            "texts_per_core_second": 166.7,
        }
    ],
}
RESULTS = {"full": FULL, "harmonize": HARMONIZE}


@pytest.fixture
def results(project):
    (project / "benchmarks/results").mkdir(parents=True)
    for name, content in RESULTS.items():
        (project / f"benchmarks/results/{name}.json").write_text(json.dumps(content))


def test_figures_come_from_the_results():
    text = render_full(FULL)
    assert re.search(r"\| `X` +\| +8 \| +50\.0 \| +25\.0 \| +33\.3 \| +– \|", text)
    assert "**33.3**" in text and "**20.0**" in text
    assert "NEVER" not in text and "trained on one together" in text


def test_speed_and_memory_come_from_the_results():
    text = render_harmonize(HARMONIZE)
    assert re.search(r"\| 1,000 \| +4\.0 s \| +250 \| +167 \| +201 MiB \| +– \|", text)
    with_peer = {**HARMONIZE["sizes"][0], "spacy_convert": {**SIZE, "seconds": 9.0}}
    assert "9.0 s, 100 MiB" in render_harmonize({**HARMONIZE, "sizes": [with_peer]})


@pytest.mark.parametrize("text", ["nothing", marks("full")[0], "".join(marks("full"))])
def test_a_readme_without_marks_is_left_alone(run, project, results, text):
    (project / "README.md").write_text(text)
    done = run("document")
    assert done.exit_code == 1 and "result marks are missing" in done.stderr
    assert (project / "README.md").read_text() == text


def test_missing_results_are_named(run, project, results):
    (project / "benchmarks/results/harmonize.json").unlink()
    (project / "README.md").write_text("".join(mark for name in SECTIONS for mark in marks(name)))
    done = run("document")
    assert done.exit_code == 1 and "benchmarks/results/harmonize.json: no results" in done.stderr


def test_writes_between_the_marks_again_and_again(run, project, results):
    sections = "\nbetween\n".join("\nold\n".join(marks(name)) for name in SECTIONS)
    (project / "README.md").write_text(f"before\n{sections}\nafter\n")
    for _ in range(2):
        assert run("document").exit_code == 0
        text = (project / "README.md").read_text()
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text and "\nbetween\n" in text
        assert text.count("33.3") == 2 and text.count("201 MiB") == 1


@pytest.mark.parametrize("name", SECTIONS)
def test_the_readme_shows_the_results_that_are_here(name):
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    results = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf8"))
    assert SECTIONS[name](results) in readme
