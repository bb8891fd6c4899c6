from pathlib import Path

import pytest

from ner11.errors import Ner11Error
from ner11.evaluation.gates import Gate, check_gate, load_gates
from ner11.evaluation.metrics import figures
from ner11.pipeline.scoring import Counts

HEADER = "source,label,metric,minimum,min_support\n"
TOOL, ALL_LABELS = figures(Counts(tp=9, fp=3, fn=1)), figures(Counts(tp=40, fp=10, fn=40))
GOLD = {"micro": TOOL, "labels": {"TOOL": TOOL, "PLACE": figures(Counts(fp=2))}}
METRICS = {"overall": {"micro": ALL_LABELS, "labels": {"TOOL": ALL_LABELS}}, "sources": {"gold": GOLD}}


def write(folder, text):
    path = folder / "gates.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [HEADER + "gold,TOOL,f1,0.8,10\nALL,ALL,recall,0,0\n", "\ufeff" + HEADER + "gold,TOOL,f1,0.8,10\n\nALL,ALL,recall,0,0"],
    ids=["plain", "byte order mark and blank line"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_rows_become_gates(tmp_path, text, end):
    path = write(tmp_path, text.replace("\n", end))
    assert load_gates(path) == [Gate("gold", "TOOL", "f1", 0.8, 10), Gate("ALL", "ALL", "recall", 0.0, 0)]


def test_a_header_alone_sets_no_gates(tmp_path):
    assert load_gates(write(tmp_path, HEADER)) == []


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("gold,TOOL,f1,high,10", "could not convert string to float: 'high'"),
        ("gold,TOOL,f1,0.8,1.5", "invalid literal for int() with base 10: '1.5'"),
        ("gold,TOOL,F1,0.8,10", "metric 'F1' is none of precision, recall, f1"),
        ("gold,TOOL,f1,0.8", "int() argument must be"),
        ("gold", "float() argument must be"),
    ],
)
def test_a_damaged_row_names_its_line(tmp_path, row, why):
    path = write(tmp_path, f"{HEADER}gold,TOOL,f1,0.8,10\n\n{row}\n")
    with pytest.raises(Ner11Error) as error:
        load_gates(path)
    assert str(error.value).startswith(f"{path}:4: damaged gate ({why}")
    assert str(error.value).endswith(". Columns: source, label, metric, minimum, min_support.")


def test_a_missing_column_is_named(tmp_path):
    path = write(tmp_path, "source,label,metric,min,min_support\ngold,TOOL,f1,0.8,10\n")
    with pytest.raises(Ner11Error, match=r"gates\.csv:2: damaged gate \('minimum'\)"):
        load_gates(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"none\.csv: cannot be read"):
        load_gates(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("gate", "value", "support", "note"),
    [
        pytest.param(Gate("gold", "TOOL", "precision", 0.75, 10), 0.75, 10, "", id="just reached"),
        pytest.param(Gate("gold", "TOOL", "recall", 0.9, 0), 0.9, 10, "", id="recall"),
        pytest.param(Gate("gold", "TOOL", "precision", 0.76, 10), 0.75, 10, "under 0.76", id="too low"),
        pytest.param(Gate("gold", "TOOL", "precision", 0.1, 11), 0.75, 10, "not proven: support under 11", id="too few"),
        pytest.param(Gate("gold", "DATE", "f1", 0.0, 0), None, 0, "label neither annotated nor predicted", id="absent label"),
        pytest.param(Gate("none", "TOOL", "f1", 0.0, 0), None, 0, "no such test set", id="absent test set"),
        pytest.param(Gate("gold", "ALL", "precision", 0.75, 1), 0.75, 10, "", id="all labels"),
        pytest.param(Gate("ALL", "TOOL", "precision", 0.8, 80), 0.8, 80, "", id="all test sets"),
        pytest.param(Gate("ALL", "ALL", "recall", 0.51, 80), 0.5, 80, "under 0.51", id="all of all"),
        pytest.param(Gate("gold", "PLACE", "precision", 0.0, 1), 0.0, 0, "not proven: support under 1", id="never annotated"),
    ],
)
def test_a_gate_holds_only_if_measured_and_reached(gate, value, support, note):
    result = check_gate(gate, METRICS)
    assert (result.value, result.support, result.note, result.passed) == (value, support, note, not note)


def test_a_figure_that_is_undefined_fails():
    assert not check_gate(Gate("gold", "PLACE", "recall", 0.0, 0), METRICS).passed


def test_a_label_that_is_never_predicted_keeps_its_support():
    row = {"precision": None, "recall": 0.0, "f1": 0.0, "support": 30}
    result = check_gate(Gate("ALL", "X", "precision", 0.5, 10), {"overall": {"labels": {"X": row}}})
    assert (result.passed, result.support, result.note) == (False, 30, "never predicted")


def test_a_result_is_one_flat_record():
    assert check_gate(Gate("gold", "TOOL", "precision", 0.8, 1), METRICS).to_dict() == {
        "source": "gold",
        "label": "TOOL",
        "metric": "precision",
        "minimum": 0.8,
        "min_support": 1,
        "value": 0.75,
        "support": 10,
        "passed": False,
        "note": "under 0.80",
    }


def test_the_gates_here_are_sound():
    paths = sorted((Path(__file__).parents[2] / "configs" / "gates").glob("*.csv"))
    assert paths and all(isinstance(load_gates(path), list) for path in paths)
