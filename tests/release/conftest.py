"""A trained pipeline's folder without a pipeline, and what `evaluate` and `gate` leave about it."""

import json
from pathlib import Path

import pytest
import srsly

from ner11.evaluation.gates import Gate, check_gates
from ner11.files import hash_folder
from ner11.release.verdict import write_verdict
from tests.evaluation.report.data import make_metrics

KNOWN = {"TOOL", "PLACE", "DATE", "CVE"}
HEADER = "test_set,label,metric,minimum,bound,min_support,unproven\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that stands for a pipeline."""
    folder = tmp_path / "model-best"
    meta = {"lang": "en", "name": "pipeline", "version": "0.0.0", "labels": {"ner": ["TOOL", "PLACE", "DATE", "CVE"]}}
    (folder / "ner").mkdir(parents=True)
    srsly.write_json(folder / "meta.json", meta)
    (folder / "ner" / "model").write_bytes(b"weights")
    return folder


@pytest.fixture
def metrics_path(model: Path) -> Path:
    """The metrics of the pipeline."""
    metrics = make_metrics()
    metrics["model"]["sha256"] = hash_folder(model)
    path = model.parent / "metrics.json"
    path.write_text(json.dumps(metrics), encoding="utf8")
    return path


@pytest.fixture
def check(model: Path, metrics_path: Path):
    """Checks gates, and gives what is in gates.json."""

    def check(*gates: Gate):
        metrics = json.loads(metrics_path.read_text(encoding="utf8"))
        gates_path = model.parent / "toy.csv"
        gates_path.write_text(HEADER, encoding="utf8")
        results = check_gates(gates, metrics, known=KNOWN)
        return write_verdict(model.parent, results, metrics_path=metrics_path, gates_path=gates_path)

    return check


@pytest.fixture(scope="session")
def pipelines(toy_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a trained toy pipeline that finds `zz` and `qq qq`, and of its exports: torch, fp32 and int8."""
    from ner11.release.onnx_export import build_onnx_pipeline, export_onnx
    from tests.pipeline.test_softmax_ner import build, make_examples, train

    folder = tmp_path_factory.mktemp("pipelines")
    nlp = build(toy_bert)
    train(nlp, make_examples(nlp))
    nlp.to_disk(folder / "torch")
    for precision in ("fp32", "int8"):
        component = export_onnx(nlp, folder / "component", precision=precision)
        build_onnx_pipeline(nlp, component).to_disk(folder / precision)
    return {name: folder / name for name in ("torch", "fp32", "int8")}
