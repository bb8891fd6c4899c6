import json
import re

from agreement import render_agreement
from evaluate import agreement_on


def annotate(project, name, **documents):
    folder = project / "assets/cyber/gold" / name
    folder.mkdir()
    for document, markup in documents.items():
        (folder / f"{document}.md").write_text(markup, encoding="utf8")


def test_results_and_table_agree(run, project):
    annotate(project, "first", a="[Turla](THREAT_ACTOR) in [Kyiv](LOCATION)")
    annotate(project, "second", a="[Turla](THREAT_ACTOR) in Kyiv")
    done = run("agreement")
    assert done.exit_code == 0, done.output
    results = json.loads((project / "benchmarks/results/agreement.json").read_text())
    assert results["domain"] == "cyber" and results["overall"]["f1"] == 2 / 3
    assert re.search(r"THREAT_ACTOR +1 +1 +1 +100\.0 +1\.00", done.stdout)
    text = render_agreement(results)
    assert re.search(r"\| `THREAT_ACTOR` +\| +1 \| +1 \| +1 \| +100\.0 \| +1\.00 \|", text)
    assert re.search(r"\| `LOCATION` +\| +1 \| +0 \| +0 \| +0\.0 \| +0\.00 \|", text)
    assert re.search(r"\| \*\*all\*\* +\| +2 \| +1 \| +1 \| +66\.7 \|", text)
    assert "In neither annotation: " in text and "interval" not in text


def test_a_second_annotation_that_is_not_there_is_one_line(run, project):
    annotate(project, "first", a="x")
    done = run("agreement")
    assert done.exit_code == 1 and "assets/cyber/gold/second" in done.stderr.strip() and "\n" not in done.stderr.strip()


def test_evaluate_takes_the_agreement_of_its_domain_without_the_disagreements(project, monkeypatch):
    monkeypatch.chdir(project)
    assert agreement_on("cyber") is None
    results = project / "benchmarks/results/agreement.json"
    results.parent.mkdir(parents=True)
    measured = {"domain": "cyber", "documents": 2, "overall": {}, "labels": {}}
    results.write_text(json.dumps({**measured, "disagreements": [{}]}))
    assert agreement_on("cyber") == measured
    assert agreement_on("food") is None
