import hashlib
import json

import pytest
from junitparser import Failure, JUnitXml

from ner11.errors import Ner11Error
from ner11.evaluation.gates import Gate
from ner11.release.verdict import read_metrics, read_verdict

REACHED, MISSED = Gate("gold", "TOOL", "f1", 0.8), Gate("gold", "PLACE", "recall", 0.9, "lower", 10)


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


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model": {}}'])
def test_a_damaged_verdict(read, model, content):
    (model.parent / "gates.json").write_text(content)
    with pytest.raises(Ner11Error, match=r"gates\.json: damaged"):
        read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda metrics: "{", "damaged"),
        (lambda metrics: json.dumps([metrics]), r"damaged or of another version \(no object\)"),
        (lambda metrics: json.dumps({"overall": {}}), r"of another version \(of format 1, not 2\)"),
        (lambda metrics: json.dumps(metrics | {"format": 3}), r"of format 3, not 2"),
        (lambda metrics: json.dumps({k: v for k, v in metrics.items() if k != "comparison"}), "no 'comparison'"),
        (lambda metrics: json.dumps(metrics | {"sources": []}), "no 'sources'"),
        (lambda metrics: json.dumps(metrics | {"overall": {"micro": {}}}), "no 'macro' of 'overall'"),
        (lambda metrics: json.dumps(metrics | {"sources": {"gold": None}}), "no 'micro' of 'gold'"),
    ],
    ids=[
        "no JSON",
        "a list",
        "as before formats",
        "a later format",
        "no comparison",
        "odd sources",
        "half a summary",
        "no summary",
    ],
)
def test_damaged_metrics_are_one_line(metrics_path, change, message):
    metrics_path.write_text(change(json.loads(metrics_path.read_text(encoding="utf8"))), encoding="utf8")
    with pytest.raises(Ner11Error, match=message) as error:
        read_metrics(metrics_path)
    assert str(metrics_path) in str(error.value) and "\n" not in str(error.value)


def test_metrics_that_are_not_there(tmp_path):
    with pytest.raises(Ner11Error, match=r"the model is not evaluated\. Run 'spacy project run evaluate' first"):
        read_metrics(tmp_path / "metrics.json")
