from pathlib import Path

import pytest

from ner11.errors import Ner11Error
from ner11.evaluation.figures import figures
from ner11.evaluation.gates import ALL, Gate, check_gate, check_gates, load_gates, verdict
from ner11.pipeline.scoring import Counts
from ner11.schema import load_schema

ROOT = Path(__file__).parents[2]
HEADER = "test_set,label,metric,minimum,bound,min_support,unproven\n"
NOWHERE = "neither annotated nor predicted under this name"
KNOWN = {"CYBER", "MEANS", "TOOL", "PLACE", "DATE"}


def score(tp=0, fp=0, fn=0):
    """Figures whose intervals reach 0.05 to each side."""
    row = figures(Counts(tp, fp, fn))
    return row | {f"{key}_interval": row[key] and [row[key] - 0.05, row[key] + 0.05] for key in ("precision", "recall", "f1")}


def summary(micro, **labels):
    levels = {"1": {"CYBER": score(40, 10, 40)}, "2": {"MEANS": score(30, 10, 10)}, "3": labels}
    macro = {"f1": 0.6, "f1_interval": [0.5, 0.7], "labels": 2}
    return {"micro": micro, "macro": macro, "labels": labels, "levels": levels}


def difference(gap=-0.1, **p):
    return {"f1": 0.5, "baseline_f1": 0.5 - gap, "difference": gap, "interval": [gap - 0.1, gap + 0.1], "p": 0.5, **p}


COMPARISON = {
    "baseline": {"name": "en_toy", "version": "0.9.0"},
    "texts": 100,
    "missing": 0,
    "overall": difference(p_worse=0.3),
    "labels": {
        "TOOL": difference(p_worse=0.005, p_worse_adjusted=0.01),
        "PLACE": difference(gap=0.1, p_worse=0.001, p_worse_adjusted=0.9),
    },
}
METRICS = {
    "overall": summary(score(40, 10, 40), TOOL=score(40, 10, 40)),
    "sources": {"gold": summary(score(9, 3, 1), TOOL=score(9, 3, 1), PLACE=score(fp=2), DATE=score(fn=30))},
    "comparison": COMPARISON,
    "baseline": {"status": "compared", "note": ""},
}


def write(folder, text):
    path = folder / "gates.csv"
    path.write_bytes(text.encode())
    return path


def check(gate, **changes):
    return check_gate(gate, METRICS | changes, known=KNOWN)


ROWS = "gold,TOOL,f1,0.8,lower,10,fail\nALL,ANY,no_regression,.05,point,0,pass\n"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + ROWS,
        "\ufeff" + HEADER + ROWS.replace("\n", "\n\n"),
        HEADER + ROWS.replace(",", " , "),
        "unproven,min_support,bound,minimum,metric,label,test_set\nfail,10,lower,0.8,f1,TOOL,gold\npass,0,point,.05,no_regression,ANY,ALL",
    ],
    ids=["plain", "byte order mark and blank lines", "blanks", "another order"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_rows_become_gates(tmp_path, text, end):
    assert load_gates(write(tmp_path, text.replace("\n", end))) == [
        Gate("gold", "TOOL", "f1", 0.8, "lower", 10, "fail"),
        Gate("ALL", "ANY", "no_regression", 0.05, "point", 0, "pass"),
    ]


def test_a_header_alone_sets_no_gates(tmp_path):
    assert load_gates(write(tmp_path, HEADER)) == []


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("gold,TOOL,f1,high,point,10,fail", "minimum 'high' is no number from 0 to 1"),
        ("gold,TOOL,f1,1.1,point,10,fail", "minimum '1.1' is no number from 0 to 1"),
        ("gold,TOOL,f1,-0.1,point,10,fail", "minimum '-0.1' is no number from 0 to 1"),
        ("gold,TOOL,f1,nan,point,10,fail", "minimum 'nan' is no number from 0 to 1"),
        ("gold,TOOL,f1,80,point,10,fail", "minimum '80' is no number from 0 to 1"),
        ("gold,TOOL,f1,0.8,point,1.5,fail", "min_support '1.5' is no whole number"),
        ("gold,TOOL,f1,0.8,point,,fail", "min_support '' is no whole number"),
        ("gold,TOOL,F1,0.8,point,10,fail", "metric 'F1' is none of precision, recall, f1, no_regression"),
        ("gold,TOOL,f1,0.8,upper,10,fail", "bound 'upper' is none of point, lower"),
        ("gold,TOOL,f1,0.8,point,10,yes", "unproven 'yes' is none of fail, pass"),
        ("gold,tool,f1,0.8,point,10,fail", "label 'tool' is no name in capitals"),
        (",TOOL,f1,0.8,point,10,fail", "no test set"),
        ("gold,TOOL,f1,0.8", "not 7 values"),
        ("gold,TOOL,f1,0.8,point,10,fail,more", "not 7 values"),
        ("gold,MACRO,recall,0.8,point,10,fail", "MACRO has no recall"),
        ("gold,ANY,f1,0.8,point,10,fail", "ANY has no f1"),
        ("ALL,TOOL,no_regression,0.05,point,0,fail", "no_regression is about the label ALL or ANY on the test set ALL"),
        ("gold,ALL,no_regression,0.05,point,0,fail", "no_regression is about"),
        ("ALL,ALL,no_regression,0.05,lower,0,fail", "no_regression is about"),
        ("gold,TOOL,f1,0.9,point,50,pass", "the same claim as in line 2"),
    ],
)
def test_a_damaged_row_names_its_line(tmp_path, row, why):
    path = write(tmp_path, f"{HEADER}gold,TOOL,f1,0.8,point,10,fail\n\n{row}\n")
    with pytest.raises(Ner11Error) as error:
        load_gates(path)
    assert str(error.value).startswith(f"{path}:4: damaged gate ({why}")
    assert str(error.value).endswith(". Correct or delete the row.")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "gates.csv", "empty"),
        ("source,label,metric,minimum,min_support\ngold,TOOL,f1,0.8,10\n", "gates.csv:1", "no column 'test_set'"),
        (HEADER.replace("unproven", "unproven,severity"), "gates.csv:1", "columns that gates do not have"),
        (HEADER.replace(",", ";"), "gates.csv:1", "no column 'test_set'"),
    ],
    ids=["empty", "as in format 1", "one more", "other separator"],
)
def test_a_file_without_the_right_header_is_no_gates(tmp_path, text, where, what):
    with pytest.raises(Ner11Error) as error:
        load_gates(write(tmp_path, text))
    assert f"{where}: {what}" in str(error.value) and HEADER.strip() in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"none\.csv: cannot be read"):
        load_gates(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("gate", "value", "support", "status", "note"),
    [
        pytest.param(Gate("gold", "TOOL", "precision", 0.75), 0.75, 10, "passed", "", id="just reached"),
        pytest.param(Gate("gold", "TOOL", "precision", 0.76), 0.75, 10, "failed", "under 76.0", id="too low"),
        pytest.param(Gate("gold", "TOOL", "precision", 0.7, "lower"), 0.7, 10, "passed", "", id="lower end just reached"),
        pytest.param(Gate("gold", "TOOL", "precision", 0.71, "lower"), 0.7, 10, "failed", "under 71.0", id="lower end too low"),
        pytest.param(Gate("gold", "TOOL", "recall", 0.9, "point", 10), 0.9, 10, "passed", "", id="enough support"),
        pytest.param(Gate("gold", "ALL", "precision", 0.75), 0.75, 10, "passed", "", id="all labels"),
        pytest.param(Gate("gold", "MACRO", "f1", 0.6, "point", 10), 0.6, 10, "passed", "", id="mean of labels"),
        pytest.param(Gate("gold", "MACRO", "f1", 0.51, "lower"), 0.5, 10, "failed", "under 51.0", id="lower end of the mean"),
        pytest.param(Gate("gold", "MEANS", "recall", 0.75, "point", 40), 0.75, 40, "passed", "", id="a category"),
        pytest.param(Gate("gold", "CYBER", "recall", 0.51), 0.5, 80, "failed", "under 51.0", id="a tier"),
        pytest.param(Gate("ALL", "TOOL", "precision", 0.8, "point", 80), 0.8, 80, "passed", "", id="all test sets"),
        pytest.param(Gate("gold", "DATE", "f1", 0.0), 0.0, 30, "passed", "", id="never predicted, F1"),
        pytest.param(Gate("gold", "DATE", "precision", 0.0), None, 30, "failed", "never predicted", id="never predicted"),
        pytest.param(Gate("gold", "PLACE", "recall", 0.0), None, 0, "failed", "never annotated", id="never annotated"),
        pytest.param(Gate("gold", "TOOLS", "f1", 0.0), None, 0, "absent", "no such label in the schema", id="unknown label"),
        pytest.param(Gate("ALL", "PLACE", "f1", 0.0), None, 0, "absent", NOWHERE, id="absent"),
        pytest.param(Gate("none", "TOOL", "f1", 0.0), None, 0, "absent", "no such test set", id="unknown test set"),
    ],
)
def test_a_gate_holds_only_if_measured_and_reached(gate, value, support, status, note):
    result = check(gate)
    assert (result.value, result.support, result.status, result.note) == (pytest.approx(value), support, status, note)
    assert result.passed is (status == "passed")


@pytest.mark.parametrize(("unproven", "minimum", "passed"), [("fail", 0.1, False), ("pass", 0.1, True), ("pass", 0.9, True)])
def test_too_little_support_proves_nothing_either_way(unproven, minimum, passed):
    result = check(Gate("gold", "TOOL", "f1", minimum, "point", 11, unproven))
    assert (result.status, result.passed) == ("not proven", passed)
    assert result.note == "10 annotated spans of the 11 needed"


@pytest.mark.parametrize(
    ("gate", "change"),
    [
        (Gate("gold", "TOOL", "f1", 0.1), {"f1": float("nan")}),
        (Gate("gold", "TOOL", "f1", 0.1), {"f1": 1.01}),
        (Gate("gold", "TOOL", "f1", 0.1), {"f1": -0.5}),
        (Gate("gold", "TOOL", "f1", 0.1, "lower"), {"f1_interval": [float("nan"), 0.9]}),
        (Gate("gold", "TOOL", "f1", 0.1, "lower"), {"f1_interval": [0.9, 7]}),
        (Gate("gold", "TOOL", "f1", 0.1, unproven="pass"), {"f1": float("nan")}),
        (Gate("gold", "TOOL", "f1", 0.1, "point", 50, "pass"), {"f1": float("nan")}),
    ],
)
def test_an_impossible_figure_fails(gate, change):
    scores = summary(score(9, 3, 1), TOOL=score(9, 3, 1) | change)
    result = check(gate, sources={"gold": scores})
    assert (result.passed, result.value, result.note) == (False, None, "a figure that is no share from 0 to 1")


@pytest.mark.parametrize("label", ["ALL", "ANY"])
@pytest.mark.parametrize("p", [float("nan"), 1.5, -1])
def test_an_impossible_p_value_fails(label, p):
    comparison = COMPARISON | {
        "overall": difference(p_worse=p),
        "labels": COMPARISON["labels"] | {"DATE": difference(p_worse=p, p_worse_adjusted=p)},
    }
    result = check(Gate(ALL, label, "no_regression", 0.001, unproven="pass"), comparison=comparison)
    assert (result.passed, result.value, result.note) == (False, None, "a figure that is no share from 0 to 1")


@pytest.mark.parametrize(
    ("bound", "counts", "status", "note"),
    [
        ("lower", (9, 3, 1), "not proven", "no interval from a single document"),
        ("point", (9, 3, 1), "passed", ""),
        ("lower", (0, 0, 1), "failed", "never predicted"),
    ],
    ids=["lower end", "point", "undefined"],
)
def test_a_single_document_proves_no_lower_end(bound, counts, status, note):
    row = {key: None if key.endswith("_interval") else value for key, value in score(*counts).items()}
    result = check(Gate("gold", "TOOL", "precision", 0.5, bound), sources={"gold": summary(row, TOOL=row)})
    assert (result.status, result.note) == (status, note)


def test_an_absent_label_fails_even_where_the_unproven_may_pass():
    assert not check(Gate("gold", "TOOLS", "f1", 0.0, unproven="pass")).passed


@pytest.mark.parametrize(
    ("gate", "value", "status", "note"),
    [
        (Gate(ALL, "ALL", "no_regression", 0.05), 0.3, "passed", ""),
        (Gate(ALL, "ALL", "no_regression", 0.31), 0.3, "failed", "F1 is worse than in en_toy 0.9.0"),
        (Gate(ALL, "ANY", "no_regression", 0.01), 0.01, "passed", ""),
        (Gate(ALL, "ANY", "no_regression", 0.05), 0.01, "failed", "TOOL is worse than in en_toy 0.9.0"),
        (
            Gate(ALL, "ANY", "no_regression", 0.05, "point", 101),
            0.01,
            "not proven",
            "100 texts that both models read, of the 101 needed",
        ),
    ],
    ids=["all", "all worse", "any", "any worse", "too few texts"],
)
def test_a_model_may_not_be_worse_than_the_last_release(gate, value, status, note):
    result = check(gate)
    assert (result.value, result.status, result.note, result.point) == (value, status, note, -0.1)


@pytest.mark.parametrize("label", ["ALL", "ANY"])
def test_the_first_release_is_no_regression(label):
    result = check(Gate(ALL, label, "no_regression", 0.05), comparison=None, baseline={"status": "first", "note": ""})
    assert (result.passed, result.value, result.note) == (True, None, "no earlier release to compare with")


@pytest.mark.parametrize("label", ["ALL", "ANY"])
@pytest.mark.parametrize("status", ["off", "missing"])
@pytest.mark.parametrize(("unproven", "passed"), [("fail", False), ("pass", True)])
def test_without_the_last_release_nothing_is_proven(label, status, unproven, passed):
    gate = Gate(ALL, label, "no_regression", 0.05, unproven=unproven)
    result = check(gate, comparison=None, baseline={"status": status, "note": "its predictions are lost"})
    assert (result.status, result.passed, result.note) == ("not proven", passed, "its predictions are lost")


@pytest.mark.parametrize(
    ("texts", "missing", "status", "note"),
    [
        (1, 124, "not proven", "both models read 1 of 125 texts, the earlier one lacks 124"),
        (50, 51, "not proven", "both models read 50 of 101 texts, the earlier one lacks 51"),
        (50, 50, "passed", "both models read 50 of 100 texts, the earlier one lacks 50"),
        (50, 0, "passed", ""),
    ],
)
def test_a_comparison_on_less_than_half_of_the_texts_proves_nothing(texts, missing, status, note):
    result = check(Gate(ALL, "ALL", "no_regression", 0.05), comparison=COMPARISON | {"texts": texts, "missing": missing})
    assert (result.status, result.note, result.support) == (status, note, texts)


LOST = difference(gap=-0.9, p_worse=0.1, p_worse_adjusted=1.0) | {"lost": True}
PROVEN = difference(gap=-0.9, p_worse=0.001, p_worse_adjusted=0.001) | {"lost": True}
KEPT = difference(gap=0.1, p_worse=0.9, p_worse_adjusted=1.0) | {"lost": False}


@pytest.mark.parametrize(
    ("labels", "status", "note"),
    [
        ({"TOOL": KEPT, "PLACE": KEPT}, "passed", ""),
        ({"TOOL": LOST, "PLACE": KEPT, "DATE|PLACE": LOST}, "passed", "fell to 0, too few spans to prove it: TOOL, DATE|PLACE"),
        ({"TOOL": PROVEN, "PLACE": KEPT}, "failed", "TOOL is worse than in en_toy 0.9.0"),
        (
            {"TOOL|PLACE": PROVEN, "DATE": LOST},
            "failed",
            "TOOL|PLACE is worse than in en_toy 0.9.0; fell to 0, too few spans to prove it: DATE",
        ),
    ],
    ids=["none", "some", "proven", "both"],
)
def test_labels_that_are_lost_are_named(labels, status, note):
    result = check(Gate(ALL, "ANY", "no_regression", 0.05), comparison=COMPARISON | {"labels": labels})
    assert (result.status, result.note) == (status, note)


def test_a_comparison_without_labels_proves_no_label():
    result = check(Gate(ALL, "ANY", "no_regression", 0.05), comparison=COMPARISON | {"labels": {}})
    assert (result.passed, result.status) == (False, "absent")


def test_a_result_is_one_flat_record():
    assert check(Gate("gold", "TOOL", "precision", 0.8, "point", 1)).to_dict() == {
        "test_set": "gold",
        "label": "TOOL",
        "metric": "precision",
        "minimum": 0.8,
        "bound": "point",
        "min_support": 1,
        "unproven": "fail",
        "value": 0.75,
        "point": 0.75,
        "interval": [0.7, 0.8],
        "support": 10,
        "status": "failed",
        "passed": False,
        "note": "under 80.0",
    }


GOOD = Gate("gold", "TOOL", "f1", 0.5)


@pytest.mark.parametrize(
    ("gates", "may_ship", "reasons"),
    [
        pytest.param([], False, ["No gates are set"], id="none"),
        pytest.param([GOOD, GOOD], True, ["All 2 gates passed"], id="passed"),
        pytest.param(
            [GOOD, Gate("gold", "TOOL", "f1", 0.5, "point", 50, "pass")],
            True,
            [
                "1 of 2 gates passed, 1 not proven but allowed",
                "F1 of TOOL on gold is not proven: 10 annotated spans of the 50 needed",
            ],
            id="passed unproven",
        ),
        pytest.param(
            [GOOD, Gate(ALL, "ALL", "recall", 0.6)],
            False,
            ["Recall of all labels together on all test sets is 50.0; 60.0 is needed"],
            id="failed",
        ),
        pytest.param(
            [Gate("gold", "TOOL", "precision", 0.72, "lower"), Gate("gold", "MACRO", "f1", 0.7)],
            False,
            [
                "Precision of TOOL on gold is 75.0, but only 70.0 at the lower end of its interval; 72.0 is needed",
                "Mean F1 of labels on gold is 60.0; 70.0 is needed",
            ],
            id="two failed",
        ),
        pytest.param(
            [Gate("gold", "TOOLS", "f1", 0.5), Gate("gold", "DATE", "precision", 0.5)],
            False,
            ["F1 of TOOLS on gold cannot be measured: no such label in the schema", "Precision of DATE on gold: never predicted"],
            id="nothing to measure",
        ),
        pytest.param(
            [Gate(ALL, "ANY", "no_regression", 0.05)],
            False,
            ["No regression of any label does not hold (p = 0.01; at least 0.05 is needed): TOOL is worse than in en_toy 0.9.0"],
            id="regression",
        ),
    ],
)
def test_the_verdict_says_why(gates, may_ship, reasons):
    assert verdict(check_gates(gates, METRICS, known=KNOWN)) == {"may_ship": may_ship, "reasons": reasons}


@pytest.mark.parametrize(
    ("gate", "value", "reason", "note"),
    [
        (Gate("gold", "TOOL", "f1", 0.6), 0.59996, "F1 of TOOL on gold is 59.996; 60.000 is needed", "59.996 is under 60.000"),
        (Gate("gold", "TOOL", "f1", 0.6), 0.5994, "F1 of TOOL on gold is 59.9; 60.0 is needed", "under 60.0"),
        (
            Gate("gold", "TOOL", "f1", 0.6, "lower"),
            0.5996,
            "F1 of TOOL on gold is 65.0, but only 59.96 at the lower end of its interval; 60.00 is needed",
            "59.96 is under 60.00",
        ),
    ],
)
def test_a_figure_just_below_the_minimum_does_not_read_like_it(gate, value, reason, note):
    row = score(9, 3, 1) | ({"f1": value} if gate.bound == "point" else {"f1": 0.65, "f1_interval": [value, 0.7]})
    result = check(gate, sources={"gold": summary(row, TOOL=row)})
    assert (result.reason, result.note) == (reason, note)


def test_a_p_value_just_below_the_minimum_does_not_read_like_it():
    result = check(Gate(ALL, "ALL", "no_regression", 0.05), comparison=COMPARISON | {"overall": difference(p_worse=0.04998)})
    assert "(p = 0.04998; at least 0.05 is needed)" in result.reason


@pytest.mark.parametrize(
    ("gate", "reached", "needed"),
    [
        (Gate("gold", "TOOL", "precision", 0.75), "75.0", "75.0"),
        (Gate("gold", "PLACE", "recall", 0.75), "–", "75.0"),
        (Gate(ALL, "ALL", "no_regression", 0.125), "0.3", "0.125"),
    ],
    ids=["just reached", "undefined", "p"],
)
def test_value_and_minimum_are_written_alike(gate, reached, needed):
    result = check(gate)
    assert (result.reached, result.needed) == (reached, needed)


@pytest.fixture(scope="module")
def schema():
    return load_schema(ROOT / "configs" / "domains" / "cyber" / "schema.yml")


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "gates").glob("*.csv")), ids=lambda path: path.stem)
def test_the_gates_here_are_about_labels_that_there_are(path, schema):
    gates = load_gates(path)
    assert gates
    assert [gate.label for gate in gates if gate.label not in ("ALL", "ANY", "MACRO") and gate.label not in schema] == []
