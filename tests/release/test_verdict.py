import hashlib
import json
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml

from ner11.errors import Ner11Error
from ner11.evaluation.gates import Gate, check_gates
from ner11.release.verdict import read_metrics, read_verdict, require_same
from tests.evaluation.report.data import make_comparison
from tests.release.conftest import KNOWN

REACHED, MISSED = Gate("gold", "TOOL", "f1", 0.8), Gate("gold", "PLACE", "recall", 0.9, "lower", 10)


def changed_metrics(metrics_path, *gates):
    """Give metrics with the results of these gates, as `evaluate` has them, and the path of the gates."""
    metrics = json.loads(metrics_path.read_text(encoding="utf8"))
    results = [result.to_dict() for result in check_gates(gates, metrics, known=KNOWN)]
    return metrics | {"gates_file": "configs/toy.csv", "gates": results}, Path("configs/toy.csv")


@pytest.fixture
def read(model, metrics_path):
    """Reads the verdict as `package` does."""

    def read(**settings):
        return read_verdict(model.parent / "gates.json", model=model, metrics_path=metrics_path, **settings)

    return read


def test_what_is_written_says_what_was_checked(check, model, metrics_path):
    record = check(REACHED, MISSED)
    assert json.loads((model.parent / "gates.json").read_text(encoding="utf8")) == record
    assert record["verdict"]["may_ship"] is False
    assert [gate["passed"] for gate in record["gates"]] == [True, False]
    assert record["model"] == read_metrics(metrics_path)["model"]
    assert record["gates_sha256"] == hashlib.sha256((model.parent / "toy.csv").read_bytes()).hexdigest()


def test_junit_has_a_test_case_a_gate(check, model):
    check(REACHED, MISSED, Gate("gold", "PLACE", "f1", 0.1, "point", 500))
    (suite,) = JUnitXml.fromfile(str(model.parent / "gates.xml"))
    assert (suite.name, suite.tests, suite.failures) == ("en_toy 1.2.3: toy", 3, 2)
    reached, missed, unproven = suite
    assert (reached.classname, reached.name, reached.result) == ("gold", "TOOL f1 >= 0.8 (point)", [])
    (failure,) = missed.result
    assert isinstance(failure, Failure) and failure.type == "failed"
    assert failure.message == "Recall of PLACE on gold is 50.0, but only 45.0 at the lower end of its interval; 90.0 is needed"
    assert unproven.result[0].type == "not proven"


def test_junit_carries_the_figures(check, model):
    check(REACHED)
    (suite,) = JUnitXml.fromfile(str(model.parent / "gates.xml"))
    found = {one.get("name"): one.get("value") for one in next(iter(suite))._elem.iter("property")}
    assert float(found["value"]) == pytest.approx(9 / 11)
    assert (found["support"], found["status"]) == ("10", "passed") and found["interval"].startswith("[0.76")


def test_no_gates_are_a_test_case_that_failed(check, model):
    check()
    (suite,) = JUnitXml.fromfile(str(model.parent / "gates.xml"))
    (case,) = suite
    assert (suite.tests, suite.failures, case.result[0].message) == (1, 1, "No gates are set")


def test_a_model_whose_gates_passed_may_be_packaged(check, read):
    record = check(REACHED)
    assert read() == record and record["verdict"]["may_ship"]


def test_a_model_whose_gates_failed_may_not(check, read):
    check(REACHED, MISSED)
    with pytest.raises(Ner11Error, match=r"gates\.json: the model may not ship \(Recall of PLACE on gold is 50\.0") as error:
        read()
    assert "--vars.allow_failed_gates yes" in str(error.value)
    assert read(allow_failed=True)["verdict"]["may_ship"] is False


def test_a_message_names_some_of_many_reasons(check, read):
    check(*(Gate("gold", f"NONE{i}", "f1", 0.5) for i in range(5)))
    with pytest.raises(Ner11Error, match=r"NONE2 on gold cannot be measured: no such label in the schema; 2 more\)"):
        read()


def test_without_gates_nothing_is_packaged(check, read):
    check()
    with pytest.raises(Ner11Error, match="No gates are set"):
        read()


def test_gates_that_were_not_checked(read):
    with pytest.raises(Ner11Error, match=r"the gates are not checked\. Run 'spacy project run gate' first"):
        read(allow_failed=True)


def test_gates_of_another_model(check, read, model):
    check(REACHED)
    (model / "ner" / "model").write_bytes(b"other weights")
    with pytest.raises(Ner11Error, match="about another model than"):
        read(allow_failed=True)


def test_gates_of_other_metrics(check, read, metrics_path):
    check(REACHED)
    metrics_path.write_text(metrics_path.read_text(encoding="utf8") + "\n", encoding="utf8")
    with pytest.raises(Ner11Error, match="about other metrics than"):
        read(allow_failed=True)


@pytest.mark.parametrize(
    "change", [lambda path: path.write_text("another file"), lambda path: path.unlink()], ids=["changed", "gone"]
)
def test_gates_that_are_others_by_now(check, read, model, change):
    check(REACHED)
    change(model.parent / "toy.csv")
    with pytest.raises(Ner11Error, match=r"gates\.json: about other gates than those of .*toy\.csv now"):
        read(allow_failed=True)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model": {}}'])
def test_what_is_no_verdict(read, model, content):
    (model.parent / "gates.json").write_text(content)
    with pytest.raises(Ner11Error, match=r"gates\.json: damaged"):
        read()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"model": "x"}, "model"),
        ({"model": {}}, "model.name"),
        ({"verdict": {}}, "verdict.may_ship"),
        ({"verdict": {"may_ship": "yes", "reasons": []}}, "verdict.may_ship"),
        ({"verdict": {"may_ship": True, "reasons": "good"}}, "verdict.reasons"),
        ({"gates": [{}]}, "gates.0.test_set"),
        ({"gates_sha256": None}, "gates_sha256"),
        ({"gates_file": 7}, "gates_file"),
    ],
)
def test_a_damaged_verdict_names_the_key(check, read, model, change, place):
    path = model.parent / "gates.json"
    path.write_text(json.dumps(check(REACHED) | change), encoding="utf8")
    with pytest.raises(Ner11Error, match=rf"gates\.json: damaged \({place}: ") as error:
        read()
    assert "\n" not in str(error.value)


def test_a_verdict_that_the_report_gives_too_is_let_through(metrics_path):
    metrics, gates_path = changed_metrics(metrics_path, REACHED)
    results = check_gates([REACHED], metrics, known=KNOWN)
    require_same(results, metrics, metrics_path=metrics_path, gates_path=gates_path)


@pytest.mark.parametrize(
    ("file", "gate", "message"),
    [
        ("other.csv", REACHED, r"the report is about the gates of configs/toy\.csv, not configs/other\.csv"),
        ("toy.csv", MISSED, r"the gates of configs/toy\.csv have other results than in the report"),
    ],
    ids=["another file", "other gates"],
)
def test_a_verdict_that_contradicts_the_report_is_refused(metrics_path, file, gate, message):
    metrics, gates_path = changed_metrics(metrics_path, REACHED)
    results = check_gates([gate], metrics, known=KNOWN)
    gates_path = gates_path.with_name(file)
    with pytest.raises(Ner11Error, match=message) as error:
        require_same(results, metrics, metrics_path=metrics_path, gates_path=gates_path)
    assert str(error.value).endswith(f"Run 'spacy project run evaluate . --vars.gates {gates_path.stem}' first.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda metrics: "{", "damaged"),
        (lambda metrics: json.dumps([metrics]), r"damaged \(top level: "),
        (lambda metrics: json.dumps({"overall": {}}), r"of another version \(of format 1, not 2\)"),
        (lambda metrics: json.dumps(metrics | {"format": 3}), r"of format 3, not 2"),
        (lambda metrics: json.dumps(metrics | {"format": "2"}), r'of format "2", not 2'),
        (lambda metrics: json.dumps(metrics | {"format": None}), r"of format null, not 2"),
    ],
    ids=["no JSON", "a list", "as before formats", "a later format", "a string", "null"],
)
def test_what_is_no_metrics_is_one_line(metrics_path, change, message):
    metrics_path.write_text(change(json.loads(metrics_path.read_text(encoding="utf8"))), encoding="utf8")
    with pytest.raises(Ner11Error, match=message) as error:
        read_metrics(metrics_path)
    assert str(metrics_path) in str(error.value) and "\n" not in str(error.value)


TOOL = "overall.labels.TOOL"


@pytest.fixture
def change(metrics_path):
    """Changes the part of the metrics at a place."""

    def change(place, how):
        metrics = part = json.loads(metrics_path.read_text(encoding="utf8"))
        *path, last = place.split(".")
        for key in path:
            part = part[key]
        how(part, last)
        metrics_path.write_text(json.dumps(metrics), encoding="utf8")

    return change


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((part, None) for part in ("model", "overall", "sources", "baseline", "gates", "gates_file")),
        *((part, "x") for part in ("model", "overall", "sources.gold", "overall.micro", "overall.labels", "comparison", "gates")),
        *((part, 7) for part in ("model.name", "model.version", "model.sha256", "baseline.note", "comparison.labels.TOOL")),
        *((f"{TOOL}.f1", value) for value in ("0.5", float("nan"), 1.5, -0.1, True, [1])),
        *((f"{TOOL}.support", value) for value in ("10", 10.5, -1, None, True)),
        *((f"{TOOL}.f1_interval", value) for value in ([], [0.5], [0.9, 0.5], [0.1, 1.1], 0.5)),
        *((f"{part}.p_worse", value) for part in ("comparison.overall", "comparison.labels.TOOL") for value in (None, 2, "0.5")),
        ("comparison.labels.TOOL.p_worse_adjusted", float("nan")),
        ("comparison.labels.TOOL.lost", "no"),
        ("comparison.overall.difference", -1.5),
        ("comparison.overall.interval", [0.5]),
        ("comparison.texts", "6"),
        ("comparison.baseline", "en_toy"),
        ("baseline.status", "none"),
        ("overall.levels.2", [1]),
        ("overall.macro.f1", "high"),
        ("gates", ["x"]),
    ],
)
def test_damage_is_one_line_with_the_place_of_the_key(change, metrics_path, place, value):
    change(place, lambda part, key: part.update({key: value}))
    with pytest.raises(Ner11Error) as error:
        read_metrics(metrics_path)
    assert str(error.value).startswith(f"{metrics_path}: damaged ({place}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "place",
    [
        *("model", "overall", "sources", "comparison", "baseline", "gates", "gates_file"),
        *("model.version", "overall.macro", "overall.levels", "baseline.status"),
        *(f"{TOOL}.{key}" for key in ("f1", "f1_interval", "precision", "recall_interval", "support")),
        *(f"comparison.{key}" for key in ("baseline.version", "texts", "missing", "overall", "labels.TOOL.p_worse_adjusted")),
    ],
)
def test_a_key_that_is_not_there_is_named(change, metrics_path, place):
    change(place, lambda part, key: part.pop(key))
    with pytest.raises(Ner11Error, match=rf"damaged \({place}: Field required\)"):
        read_metrics(metrics_path)


@pytest.mark.parametrize(("status", "comparison"), [("compared", None), ("first", make_comparison())])
def test_a_comparison_and_its_status_fit_each_other(metrics_path, status, comparison):
    metrics = json.loads(metrics_path.read_text(encoding="utf8"))
    metrics |= {"baseline": {"status": status, "note": ""}, "comparison": comparison}
    metrics_path.write_text(json.dumps(metrics), encoding="utf8")
    with pytest.raises(Ner11Error, match=rf"damaged \(comparison: does not fit the status '{status}' of baseline\)"):
        read_metrics(metrics_path)


def test_undefined_figures_and_more_keys_are_no_damage(metrics_path):
    metrics = json.loads(metrics_path.read_text(encoding="utf8"))
    metrics["more"] = metrics["overall"]["more"] = 1
    metrics["overall"]["micro"] |= {"precision": None, "f1": 0, "f1_interval": None}
    metrics["comparison"]["overall"]["interval"] = None
    metrics_path.write_text(json.dumps(metrics), encoding="utf8")
    assert read_metrics(metrics_path) == metrics


def test_metrics_that_are_not_there(tmp_path):
    with pytest.raises(Ner11Error, match=r"the model is not evaluated\. Run 'spacy project run evaluate' first"):
        read_metrics(tmp_path / "metrics.json")
