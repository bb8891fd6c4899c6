import json
import re

import pytest

from ner11.evaluation.gates import check_gates, load_gates
from tests.evaluation.report.data import make_metrics, make_summary
from tests.scripts.test_bad_input import the_line

HEADER = "test_set,label,metric,minimum,bound,min_support,unproven\n"
CVE, TOOL, ANY = "gold,CVE,f1,0.9,point,5,fail\n", "gold,TOOL,f1,0.8,lower,5,fail\n", "ALL,ANY,no_regression,0.05,point,0,fail\n"
SCHEMA = """
domain: toy
nodes:
  - {name: CVE, definition: A number., examples: [a, b], active: true}
  - {name: TOOL, definition: A tool., examples: [a, b], active: true}
  - {name: MALWARE, definition: A program., examples: [a, b], active: true}
"""
DATASETS = """
weights: {gold: 3.0}
datasets:
  - {name: gold, path: x, url: here, license: MIT, format: inline, splits: {test: x}, tier: gold, labels: schema}
"""
FIRST = {"comparison": None, "baseline": {"status": "first", "note": ""}}
GATE = ("gate", "--domain", "toy", "--gates", "toy")


def add_domain(project):
    """Add a small domain, whose configuration is read at once."""
    domain = project / "configs" / "domains" / "toy"
    domain.mkdir()
    (domain / "schema.yml").write_text(SCHEMA, encoding="utf8")
    (domain / "datasets.yml").write_text(DATASETS, encoding="utf8")
    (project / "training").mkdir()


def write_gates(project, *rows):
    """Write gates, and their results into the metrics that are there, as `evaluate` does."""
    path = project / "configs" / "gates" / "toy.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf8")
    metrics_path = project / "training" / "metrics.json"
    if metrics_path.is_file():
        metrics = json.loads(metrics_path.read_text(encoding="utf8"))
        results = check_gates(load_gates(path), metrics, known={"CVE", "TOOL", "MALWARE"})
        metrics |= {"gates": [result.to_dict() for result in results], "gates_file": "configs/gates/toy.csv"}
        metrics_path.write_text(json.dumps(metrics), encoding="utf8")


@pytest.fixture
def toy(project):
    """A project with a small domain."""
    add_domain(project)
    return project


@pytest.fixture
def metrics(toy):
    """Writes metrics, with keys changed as given, and one gate."""

    def metrics(**changes):
        path = toy / "training" / "metrics.json"
        path.write_text(json.dumps(make_metrics(**FIRST | changes)), encoding="utf8")
        write_gates(toy, CVE)
        return path

    metrics()
    return metrics


def verdict(project):
    return json.loads((project / "training" / "gates.json").read_text(encoding="utf8"))["verdict"]


def test_passed_gates_are_a_table_and_exit_with_0(run, toy, metrics):
    write_gates(toy, CVE, "gold,MACRO,f1,0.4,lower,0,fail\n", ANY)
    done = run(*GATE)
    assert done.exit_code == 0, done.output
    assert re.search(r"test set +label +metric +minimum +measured +interval +support +result", done.stdout)
    assert re.search(r"gold +CVE +f1 +90\.0 +100\.0 +\[95\.0, 100\.0\] +6 +passed", done.stdout)
    assert re.search(r"gold +MACRO +f1 +lower end 40\.0 +48\.7 +\[40\.0, 60\.0\] +61 +passed", done.stdout)
    assert re.search(r"ALL +ANY +no_regression +p 0\.05 +– +0 +passed: no earlier release to compare with", done.stdout)
    assert done.stdout.strip().endswith("✔ May ship: all 3 gates of configs/gates/toy.csv passed")
    assert verdict(toy)["may_ship"] is True
    assert (toy / "training" / "gates.xml").is_file()


def test_a_gate_that_is_not_proven_but_allowed_is_not_among_those_that_passed(run, toy, metrics):
    write_gates(toy, CVE, "gold,TOOL,f1,0.8,lower,500,pass\n")
    done = run(*GATE)
    assert done.exit_code == 0, done.output
    assert re.search(r"gold +TOOL .* 10 +passed, not proven: 10 annotated spans of the 500 needed", done.stdout)
    assert "May ship: 1 of 2 gates of configs/gates/toy.csv passed, 1 not proven but allowed" in done.stdout
    assert verdict(toy)["reasons"][0] == "1 of 2 gates passed, 1 not proven but allowed"


@pytest.mark.parametrize(("unproven", "code"), [("fail", 1), ("pass", 0)])
def test_a_comparison_that_was_switched_off_proves_nothing(run, toy, metrics, unproven, code):
    metrics(baseline={"status": "off", "note": "switched off by --vars.baseline none"})
    write_gates(toy, CVE, ANY.replace("fail", unproven))
    done = run(*GATE)
    assert done.exit_code == code and re.search(r"not proven: switched off by --vars\.baseline none", done.stdout)


def test_a_figure_just_below_the_minimum_does_not_read_like_it(run, toy, metrics):
    summary = make_summary()
    summary["labels"]["TOOL"]["f1"] = 0.79998
    metrics(sources={"gold": summary})
    write_gates(toy, TOOL.replace("lower", "point"))
    assert re.search(r" 80\.000 +79\.998 .* failed: 79\.998 is under 80\.000", run(*GATE).stdout)


def test_other_gates_than_those_of_the_report_are_refused(run, toy, metrics):
    assert run(*GATE).exit_code == 0
    (toy / "configs" / "gates" / "other.csv").write_text(HEADER + TOOL, encoding="utf8")
    line = the_line(run("gate", "--domain", "toy", "--gates", "other"))
    assert line == (
        "✘ training/metrics.json: the report is about the gates of configs/gates/toy.csv, not configs/gates/other.csv. "
        "Run 'spacy project run evaluate . --vars.gates other' first."
    )
    assert verdict(toy)["may_ship"] is True


def test_gates_that_were_changed_since_the_report_are_refused(run, toy, metrics):
    path = toy / "configs" / "gates" / "toy.csv"
    path.write_text(path.read_text(encoding="utf8").replace("0.9", "0.1"), encoding="utf8")
    line = the_line(run(*GATE))
    assert "the gates of configs/gates/toy.csv have other results than in the report. Run 'spacy project run evaluate" in line
    assert not (toy / "training" / "gates.json").exists()


def test_a_failed_gate_is_in_the_table_and_exits_with_1(run, toy, metrics):
    write_gates(toy, CVE, TOOL, "gold,MALWARE,f1,0.5,lower,5,fail\n")
    done = run(*GATE)
    assert re.search(r"gold +TOOL +f1 +lower end 80\.0 +81\.8 +\[76\.8, 86\.8\] +10 +failed: under 80\.0", done.stdout)
    assert re.search(r"gold +MALWARE .* 0 +failed: neither annotated nor predicted under this name", done.stdout)
    assert the_line(done) == "✘ Must not ship: 2 of 3 gates of configs/gates/toy.csv failed"
    assert done.exit_code == 1 and verdict(toy)["may_ship"] is False


def test_failed_gates_may_be_let_through(run, toy, metrics):
    write_gates(toy, TOOL)
    done = run(*GATE, "--allow-failed-gates", "yes")
    assert done.exit_code == 0 and "Must not ship: 1 of 1 gates" in done.stdout
    assert "let through by allow_failed_gates" in done.stdout and verdict(toy)["may_ship"] is False


def test_no_gates_pass_nothing(run, toy, metrics):
    write_gates(toy)
    assert the_line(run(*GATE)) == "✘ Must not ship: no gates are set in configs/gates/toy.csv"
    assert verdict(toy) == {"may_ship": False, "reasons": ["No gates are set"]}


def test_a_gate_on_a_label_that_is_in_no_schema_says_so(run, toy, metrics):
    write_gates(toy, CVE.replace("CVE", "CVEE"))
    assert re.search(r"gold +CVEE .* failed: no such label in the schema", run(*GATE).stdout)


def test_zero_predictions_are_rows_like_others(run, toy, metrics):
    summary = make_summary({"CVE": (0, 0, 6)})
    metrics(overall=summary, sources={"gold": summary})
    write_gates(toy, "gold,CVE,precision,0.5,point,5,fail\ngold,ALL,f1,0.5,lower,5,fail\n")
    done = run(*GATE)
    assert re.search(r"precision +50\.0 +– +6 +failed: never predicted", done.stdout)
    assert re.search(r"lower end 50\.0 +0\.0 .* 6 +failed: under 50\.0", done.stdout)


def test_quiet_says_only_what_is_wrong(run, toy, metrics):
    assert run(*GATE, "--quiet").output == ""
    write_gates(toy, TOOL)
    done = run(*GATE, "--quiet")
    assert done.stdout == "" and the_line(done).startswith("✘ Must not ship")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the model is not evaluated. Run 'spacy project run evaluate' first"),
        ("{", "training/metrics.json: damaged"),
        ('{"overall": {}}', "training/metrics.json: damaged or of another version (of format 1, not 2)"),
        ('{"format": 2, "model": "x"}', "training/metrics.json: damaged (model: "),
    ],
    ids=["missing", "no JSON", "older", "damaged"],
)
def test_metrics_that_cannot_be_read_are_one_line_and_keep_the_last_verdict(run, toy, metrics, content, message):
    assert run(*GATE).exit_code == 0
    path = metrics()
    path.unlink() if content is None else path.write_text(content)
    assert message in the_line(run(*GATE))
    assert verdict(toy)["may_ship"] is True


def test_damaged_gates_are_one_line(run, toy, metrics):
    (toy / "configs" / "gates" / "toy.csv").write_text(HEADER + CVE.replace("0.9", "90"), encoding="utf8")
    assert "configs/gates/toy.csv:2: damaged gate (minimum '90' is no number from 0 to 1)" in the_line(run(*GATE))


def test_gates_that_are_not_there_are_one_line(run, metrics):
    assert "configs/gates/tony.csv: cannot be read" in the_line(run("gate", "--gates", "tony"))


@pytest.mark.parametrize("script", ["gate", "package"])
def test_an_answer_is_yes_or_no(run, script):
    assert "allow_failed_gates: 'maybe' is neither yes nor no" in the_line(run(script, "--allow-failed-gates", "maybe"))
