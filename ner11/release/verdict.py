"""The verdict on a model: what `gate` writes about it, and what `package` reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from junitparser import Failure, JUnitXml, Properties, Property, TestCase, TestSuite
from pydantic import ValidationError

from ner11.errors import Ner11Error
from ner11.evaluation.gate import FAILED, GateResult
from ner11.evaluation.gates import verdict
from ner11.files import hash_file, hash_folder, read_json, write_json, write_text
from ner11.release.records import GatesRecord, Metrics, Record
from ner11.schema import first_problem

FORMAT = 2
"""Of `metrics.json`."""
_SHOWN = 3
"""Reasons that a message gives."""


def read_metrics(path: Path) -> dict[str, Any]:
    """Read what `evaluate` wrote.

    Raises:
        Ner11Error: If the file is missing, damaged, or of another format.
    """
    if not path.is_file():
        raise Ner11Error("the model is not evaluated", where=path, fix="Run 'spacy project run evaluate' first")
    again = "Run 'spacy project run evaluate --force' to write it again"
    metrics = read_json(path)
    found = metrics.get("format", 1) if isinstance(metrics, dict) else FORMAT
    if found != FORMAT:
        what = f"damaged or of another version (of format {json.dumps(found)}, not {FORMAT})"
        raise Ner11Error(what, where=path, fix=again)
    _check(metrics, Metrics, where=path, fix=again)
    status = metrics["baseline"]["status"]
    if (status == "compared") != (metrics["comparison"] is not None):
        raise Ner11Error(f"damaged (comparison: does not fit the status '{status}' of baseline)", where=path, fix=again)
    return dict(metrics)


def _check(data: Any, kind: type[Record], *, where: Path, fix: str) -> None:
    try:
        kind.model_validate(data)
    except ValidationError as e:
        raise Ner11Error(f"damaged ({first_problem(e)})", where=where, fix=fix) from e


def require_same(results: Sequence[GateResult], metrics: Mapping[str, Any], *, metrics_path: Path, gates_path: Path) -> None:
    """Refuse a verdict that would contradict the report.

    Args:
        results: What became of the gates now.
        metrics: What `evaluate` wrote, with its results of the gates.
        metrics_path: Where.
        gates_path: The gates.

    Raises:
        Ner11Error: If they are not the gates that `evaluate` checked, or their results differ.
    """
    if gates_path.as_posix() != metrics["gates_file"]:
        what = f"the report is about the gates of {metrics['gates_file']}, not {gates_path}"
    elif [result.to_dict() for result in results] != metrics["gates"]:
        what = f"the gates of {gates_path} have other results than in the report"
    else:
        return
    fix = f"Run 'spacy project run evaluate . --vars.gates {gates_path.stem}' first"
    raise Ner11Error(what, where=metrics_path, fix=fix)


def write_junit(path: Path, results: Sequence[GateResult], *, name: str) -> None:
    """Write results as JUnit XML, for the tools that show tests.

    Args:
        path: The file.
        results: A test case each: the test set as its class; value, interval, support and status as its properties. Without
            any, a test case that failed.
        name: Of the test suite.

    Raises:
        OSError: If the file cannot be written; the old one stays.
    """
    suite = TestSuite(name)
    for result in results:
        gate = result.gate
        case = TestCase(f"{gate.label} {gate.metric} >= {gate.minimum:g} ({gate.bound})", classname=gate.test_set)
        properties = Properties()
        for key in ("value", "interval", "support", "status"):
            properties.add_property(Property(key, str(getattr(result, key))))
        case.append(properties)
        if not result.passed:
            case.result = [Failure(result.reason, result.status)]
        suite.add_testcase(case)
    if not results:  # an empty suite counts as passed
        case = TestCase("gates are set", classname=name)
        case.result = [Failure(verdict(results)["reasons"][0], FAILED)]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    write_text(path, xml.tostring().decode())


def write_verdict(folder: Path, results: Sequence[GateResult], *, metrics_path: Path, gates_path: Path) -> dict[str, Any]:
    """Write `gates.json` and `gates.xml`.

    Args:
        folder: Folder of the two files.
        results: What became of the gates.
        metrics_path: The metrics that they were checked against.
        gates_path: The gates.

    Returns:
        What is in `gates.json`: the verdict, the gates, and what they were checked on.

    Raises:
        OSError: If a file cannot be written; the old one stays.
    """
    model = read_metrics(metrics_path)["model"]
    record = {
        "gates_file": gates_path.as_posix(),
        "gates_sha256": hash_file(gates_path),
        "metrics_sha256": hash_file(metrics_path),
        "model": model,
        "verdict": verdict(results),
        "gates": [result.to_dict() for result in results],
    }
    write_junit(folder / "gates.xml", results, name=f"{model['name']} {model['version']}: {gates_path.stem}")
    write_json(folder / "gates.json", record)
    return record


def read_verdict(path: Path, *, model: Path, metrics_path: Path, allow_failed: bool = False) -> dict[str, Any]:
    """Read the verdict on a model that is to be packaged.

    Args:
        path: As `write_verdict` wrote it.
        model: Folder of the trained pipeline.
        metrics_path: What `evaluate` wrote about it.
        allow_failed: Let a model through that may not ship.

    Raises:
        Ner11Error: If the gates were not checked, or on another model or other metrics, or are others now, or did not pass.
    """
    if not path.is_file():
        raise Ner11Error("the gates are not checked", where=path, fix="Run 'spacy project run gate' first")
    record = read_json(path)
    _check(record, GatesRecord, where=path, fix="Run 'spacy project run gate --force' to write it again")
    if record["model"]["sha256"] != hash_folder(model):
        raise Ner11Error(f"about another model than {model}", where=path, fix="Run 'spacy project run evaluate' and gate again")
    gates_path = Path(record["gates_file"])
    if not gates_path.is_file() or record["gates_sha256"] != hash_file(gates_path):
        fix = "Run 'spacy project run evaluate' and gate again"
        raise Ner11Error(f"about other gates than those of {gates_path} now", where=path, fix=fix)
    if record["metrics_sha256"] != hash_file(metrics_path):
        raise Ner11Error(f"about other metrics than {metrics_path}", where=path, fix="Run 'spacy project run gate' again")
    if not record["verdict"]["may_ship"] and not allow_failed:
        reasons = record["verdict"]["reasons"]
        more = f"; {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        raise Ner11Error(
            f"the model may not ship ({'; '.join(reasons[:_SHOWN])}{more})",
            where=path,
            fix="Improve it, or add --vars.allow_failed_gates yes, which names the wheel so",
        )
    return record
