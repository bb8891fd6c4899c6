"""What `package` lets through, and what it leaves; the whole build runs in test_workflow."""

import hashlib

import pytest
import srsly

from ner11.errors import Ner11Error
from ner11.files import hash_folder
from tests.evaluation.report.data import make_metrics
from tests.scripts.test_bad_input import the_line
from tests.scripts.test_gate import CVE, GATE, TOOL, add_domain, write_gates

PACKAGE = ("package", "--domain", "toy", "--version", "1.2.3")
MODEL = {"name": "en_ner11_toy", "version": "1.2.3", "domain": "toy", "encoder": "toy", "head": "softmax"}


def fake_build(model, out, *, meta, card, datasets):
    """Stands for the build, which takes seconds."""
    name = f"{meta['lang']}_{meta['name']}-{meta['version']}"
    out.mkdir(exist_ok=True)
    for path in (paths := (out / f"{name}-py3-none-any.whl", out / f"{name}.tar.gz")):
        path.write_text(card, encoding="utf8")
    return paths


@pytest.fixture
def evaluated(project, monkeypatch):
    """A project whose model is evaluated."""
    add_domain(project)
    monkeypatch.setattr("package.build_package", fake_build)
    training = project / "training"
    (training / "model-best").mkdir()
    srsly.write_json(training / "model-best" / "meta.json", {"lang": "en", "labels": {"ner": ["CVE"]}})
    metrics = make_metrics(comparison=None, model={**MODEL, "sha256": hash_folder(training / "model-best")})
    srsly.write_json(training / "metrics.json", metrics)
    (training / "predictions.jsonl").write_text("predictions\n")
    (project / "corpus" / "merged").mkdir(parents=True)
    srsly.write_json(
        project / "corpus" / "merged" / "ledger.json", {"texts_kept": [{"source": "gold", "split": "train", "count": 1}]}
    )
    return project


@pytest.fixture
def passed(evaluated, run):
    """A project whose model may ship."""
    write_gates(evaluated, CVE)
    assert run(*GATE).exit_code == 0
    return evaluated


@pytest.fixture
def failed(evaluated, run):
    """A project whose model may not ship."""
    write_gates(evaluated, CVE, TOOL)
    assert run(*GATE).exit_code == 1
    return evaluated


def files(project):
    return sorted(path.name for path in (project / "packages").iterdir())


def test_what_passed_is_packaged_with_its_predictions(run, passed):
    done = run(*PACKAGE)
    assert done.exit_code == 0, done.output
    name = "en_ner11_toy-1.2.3"
    assert files(passed) == [f"{name}-py3-none-any.whl", f"{name}.predictions.jsonl", f"{name}.tar.gz"]
    assert (passed / "packages" / f"{name}.predictions.jsonl").read_text() == "predictions\n"
    wheel = passed / "packages" / f"{name}-py3-none-any.whl"
    assert srsly.read_json(passed / "training" / "package.json") == {
        "name": "en_ner11_toy",
        "version": "1.2.3",
        "wheel": f"packages/{wheel.name}",
        "sdist": f"packages/{name}.tar.gz",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }
    assert "**It passed its release gates.**" in wheel.read_text(encoding="utf8")


def test_what_failed_is_not_packaged(run, failed):
    line = the_line(run(*PACKAGE))
    assert "training/gates.json: the model may not ship (F1 of TOOL on gold is 81.8, but only 76.8" in line
    assert not (failed / "packages").exists() and not (failed / "training" / "package.json").exists()


def test_what_failed_is_named_so_if_it_is_let_through(run, failed):
    done = run(*PACKAGE, "--allow-failed-gates", "yes")
    assert done.exit_code == 0 and "Its gates failed, and its name says so" in done.stdout
    name = "en_ner11_toy_failed_gates-1.2.3"
    assert files(failed) == [f"{name}-py3-none-any.whl", f"{name}.predictions.jsonl", f"{name}.tar.gz"]
    assert srsly.read_json(failed / "training" / "package.json")["name"] == "en_ner11_toy_failed_gates"


def test_what_passed_keeps_its_name_whatever_is_allowed(run, passed):
    assert run(*PACKAGE, "--allow-failed-gates", "yes").exit_code == 0
    assert srsly.read_json(passed / "training" / "package.json")["name"] == "en_ner11_toy"


def test_gates_that_were_not_checked_are_one_line(run, evaluated):
    assert "training/gates.json: the gates are not checked. Run 'spacy project run gate' first" in the_line(run(*PACKAGE))


@pytest.mark.parametrize("settings", [("--version", "1.2.4"), ("--domain", "food")], ids=["version", "domain"])
def test_a_model_is_packaged_as_what_it_was_evaluated(run, passed, settings):
    assert "training/metrics.json: about en_ner11_toy 1.2.3, not en_ner11_" in the_line(run(*PACKAGE, *settings))


def test_the_package_that_is_checked_is_the_one_that_was_built(run, passed, monkeypatch):
    checked = []

    def stop(wheel, model, **_):
        checked.append(wheel.name)
        raise Ner11Error("stop")

    monkeypatch.setattr("check_package.check_package", stop)
    monkeypatch.setattr("check_package.read_docs", lambda *_: [])
    run(*PACKAGE)
    assert the_line(run("check_package")) == "✘ stop." and checked == ["en_ner11_toy-1.2.3-py3-none-any.whl"]
    wheel = passed / "packages" / checked[0]
    wheel.write_text("another")
    assert "not the wheel that training/package.json is about" in the_line(run("check_package"))
    wheel.unlink()
    assert "no such wheel" in the_line(run("check_package"))
