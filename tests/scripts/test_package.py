"""What `package` lets through, and what it leaves; the whole build runs in test_workflow."""

import hashlib

import pytest
import srsly

from ner11.files import hash_folder
from ner11.release.package import Package
from tests.evaluation.report.data import make_metrics
from tests.scripts.test_bad_input import the_line
from tests.scripts.test_gate import CVE, GATE, TOOL, add_domain, write_gates

PACKAGE = ("package", "--domain", "toy", "--version", "1.2.3")
MODEL = {"name": "en_ner11_toy", "version": "1.2.3", "domain": "toy", "encoder": "toy", "head": "softmax"}


def fake_build(model, out, *, meta, card, datasets):
    """Stands for the build, which takes seconds."""
    name, version = f"{meta['lang']}_{meta['name']}", meta["version"]
    paths = wheel, sdist = out / f"{name}-{version}-py3-none-any.whl", out / f"{name}-{version}.tar.gz"
    for path in paths:
        path.write_text(card, encoding="utf8")
    return Package(name, version, model, wheel, sdist)


FIRST = {"status": "first", "note": ""}


@pytest.fixture
def evaluated(project, monkeypatch):
    """A project whose model is evaluated."""
    add_domain(project)
    monkeypatch.setattr("package.build_package", fake_build)
    training = project / "training"
    (training / "model-best").mkdir()
    srsly.write_json(training / "model-best" / "meta.json", {"lang": "en", "labels": {"ner": ["CVE"]}})
    metrics = make_metrics(comparison=None, baseline=FIRST, model={**MODEL, "sha256": hash_folder(training / "model-best")})
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


@pytest.fixture
def exported(passed):
    """A project whose model was exported too."""
    training = passed / "training"
    for precision in ("fp32", "int8"):
        (training / "onnx" / precision / "ner").mkdir(parents=True)
        meta = {"lang": "en", "labels": {"ner": ["CVE"]}}
        srsly.write_json(training / "onnx" / precision / "meta.json", meta)
    export = {
        "model_sha256": hash_folder(training / "model-best"),
        "precisions": {name: {"sha256": hash_folder(training / "onnx" / name)} for name in ("fp32", "int8")},
        "fp32": {"texts": 9, "entities": 8, "logits": 1e-6, "confidence": 1e-6},
    }
    srsly.write_json(training / "export.json", export)
    return passed


def files(project):
    return sorted(path.name for path in (project / "packages").iterdir())


def read_packages(project):
    return srsly.read_json(project / "training" / "package.json")["packages"]


def test_what_passed_is_packaged_with_its_predictions(run, passed):
    done = run(*PACKAGE)
    assert done.exit_code == 0, done.output
    name = "en_ner11_toy-1.2.3"
    assert files(passed) == [f"{name}-py3-none-any.whl", f"{name}.predictions.jsonl", f"{name}.tar.gz"]
    assert (passed / "packages" / f"{name}.predictions.jsonl").read_text() == "predictions\n"
    wheel = passed / "packages" / f"{name}-py3-none-any.whl"
    assert read_packages(passed) == [
        {
            "name": "en_ner11_toy",
            "version": "1.2.3",
            "model": "training/model-best",
            "wheel": f"packages/{wheel.name}",
            "sdist": f"packages/{name}.tar.gz",
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        }
    ]
    assert "**It passed its release gates.**" in wheel.read_text(encoding="utf8")
    assert "No package without torch" in done.stdout


def test_an_exported_model_has_a_package_without_torch_too(run, exported):
    done = run(*PACKAGE)
    assert done.exit_code == 0 and "No package without torch" not in done.stdout, done.output
    packages = [(package["name"], package["model"]) for package in read_packages(exported)]
    assert packages == [("en_ner11_toy", "training/model-best"), ("en_ner11_toy_onnx", "training/onnx/int8")]
    card = (exported / "packages" / "en_ner11_toy_onnx-1.2.3-py3-none-any.whl").read_text(encoding="utf8")
    assert "# en_ner11_toy_onnx 1.2.3" in card and "This is en_ner11_toy in another form" in card
    assert "Without torch" not in (exported / "packages" / "en_ner11_toy-1.2.3-py3-none-any.whl").read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("training/onnx/int8/meta.json", "training/onnx/int8: not the export that training/export.json is about"),
        ("training/model-best/ner", "training/export.json: about another model than training/model-best"),
    ],
)
def test_an_export_of_something_else_is_refused(run, exported, monkeypatch, path, line):
    monkeypatch.setattr("package.read_verdict", lambda *_, **__: {"verdict": {"may_ship": True}})
    (exported / path).write_text("{}")
    assert line in the_line(run(*PACKAGE))
    assert not (exported / "packages").exists()


def test_the_same_again_is_unchanged_and_other_content_needs_a_new_version(run, passed, monkeypatch):
    assert run(*PACKAGE).exit_code == 0
    before = {path: path.read_bytes() for path in (passed / "packages").iterdir()}
    again = run(*PACKAGE)
    assert again.exit_code == 0 and "Unchanged: packages/en_ner11_toy-1.2.3-py3-none-any.whl" in again.stdout
    monkeypatch.setattr("package.make_card", lambda *_: "another card")
    assert "en_ner11_toy 1.2.3 exists with other content. Give a new version with --vars.version" in the_line(run(*PACKAGE))
    assert {path: path.read_bytes() for path in (passed / "packages").iterdir()} == before


def test_a_development_version_may_be_replaced_and_is_nothing_to_compare_with(run, passed, monkeypatch):
    metrics = srsly.read_json(passed / "training" / "metrics.json")
    metrics["model"]["version"] = "1.2.3.dev0"
    srsly.write_json(passed / "training" / "metrics.json", metrics)
    assert run(*GATE).exit_code == 0
    settings = (*PACKAGE[:-1], "1.2.3.dev0")
    assert run(*settings).exit_code == 0
    monkeypatch.setattr("package.make_card", lambda *_: "another card")
    assert run(*settings).exit_code == 0
    name = "en_ner11_toy-1.2.3.dev0"
    assert files(passed) == [f"{name}-py3-none-any.whl", f"{name}.tar.gz"]
    assert (passed / "packages" / f"{name}-py3-none-any.whl").read_text() == "another card"


def test_what_failed_is_not_packaged(run, failed):
    line = the_line(run(*PACKAGE))
    assert "training/gates.json: the model may not ship (F1 of TOOL on gold is 81.8, but only 76.8" in line
    assert not (failed / "packages").exists() and not (failed / "training" / "package.json").exists()


def test_what_failed_is_named_so_if_it_is_let_through(run, failed):
    done = run(*PACKAGE, "--allow-failed-gates", "yes")
    assert done.exit_code == 0 and "The gates failed, and the names say so" in done.stdout
    name = "en_ner11_toy_failed_gates-1.2.3"
    assert files(failed) == [f"{name}-py3-none-any.whl", f"{name}.predictions.jsonl", f"{name}.tar.gz"]
    assert [package["name"] for package in read_packages(failed)] == ["en_ner11_toy_failed_gates"]


def test_what_passed_keeps_its_name_whatever_is_allowed(run, passed):
    assert run(*PACKAGE, "--allow-failed-gates", "yes").exit_code == 0
    assert [package["name"] for package in read_packages(passed)] == ["en_ner11_toy"]


def test_gates_that_were_not_checked_are_one_line(run, evaluated):
    assert "training/gates.json: the gates are not checked. Run 'spacy project run gate' first" in the_line(run(*PACKAGE))


@pytest.mark.parametrize("settings", [("--version", "1.2.4"), ("--domain", "food")], ids=["version", "domain"])
def test_a_model_is_packaged_as_what_it_was_evaluated(run, passed, settings):
    assert "training/metrics.json: about en_ner11_toy 1.2.3, not en_ner11_" in the_line(run(*PACKAGE, *settings))


@pytest.fixture
def check(run, exported, monkeypatch):
    """Checks the packages of the project; the check itself, which makes environments, is given."""

    def check(result, failures=()):
        checked = []

        def stand_in(packages, **_):
            checked.extend(packages)
            return result, list(failures)

        monkeypatch.setattr("check_package.check_packages", stand_in)
        monkeypatch.setattr("check_package.read_docs", lambda *_: [])
        return run("check_package"), checked

    assert run(*PACKAGE).exit_code == 0
    return check


ROW = {"version": "1.2.3", "installed_bytes": 3 * 2**20, "entities": 7, "texts": 2}
NAMES = ("en_ner11_toy", "en_ner11_toy_onnx")


def test_the_packages_that_are_checked_are_those_that_were_built(check, exported):
    agreement = {"packages": NAMES, "entities": [7, 7], "share": 0.97, "confidence": 0.1}
    result = {"packages": [{"name": name, **ROW} for name in NAMES], "agreement": [agreement]}
    done, checked = check(result)
    assert done.exit_code == 0, done.output
    assert [package.wheel.name for package in checked] == [f"{name}-1.2.3-py3-none-any.whl" for name in NAMES]
    assert [package.model.as_posix() for package in checked] == ["training/model-best", "training/onnx/int8"]
    assert "en_ner11_toy_onnx 1.2.3 installs (3 MiB with what it requires)" in done.stdout
    assert "en_ner11_toy and en_ner11_toy_onnx both find 97.0% of all entities" in done.stdout
    assert srsly.read_json(exported / "training" / "check-package.json")["agreement"][0]["share"] == 0.97


def test_each_failed_check_is_a_line(check, exported):
    done, _ = check({"packages": []}, ["a.whl: its contract: 2 labels", "b.whl: torch is there"])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "✘ a.whl: its contract: 2 labels",
        "✘ b.whl: torch is there",
        "✘ training/package.json: 2 checks of the packages failed. See above; then package again.",
    ]
    assert not (exported / "training" / "check-package.json").exists()


def test_a_failed_check_leaves_none_of_earlier(check, exported):
    assert check({"packages": [{"name": name, **ROW} for name in NAMES]})[0].exit_code == 0
    assert check({"packages": []}, ["a.whl: torch is there"])[0].exit_code == 1
    assert not (exported / "training" / "check-package.json").exists()


def test_another_wheel_is_not_checked(check, exported):
    wheel = exported / "packages" / "en_ner11_toy_onnx-1.2.3-py3-none-any.whl"
    wheel.write_text("another")
    assert "not the wheel that training/package.json is about" in the_line(check({})[0])
    wheel.unlink()
    assert "no such wheel" in the_line(check({})[0])
