"""Score the trained pipeline on the untouched test split, check the gates, and write the report."""

from common import ROOT, Domain, Quiet, command, schema_path

# isort: split
from typing import Annotated, Any

import spacy
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.evaluation.gates import check_gate, load_gates
from ner11.evaluation.metrics import evaluate, percent
from ner11.evaluation.report import write_report
from ner11.files import read_json, write_json
from ner11.schema import load_schema
from ner11.training.encoder import Encoder
from ner11.training.hardware import configured_device
from ner11.training.tracking import log_report


def agreement_on(domain: str) -> dict[str, Any] | None:
    """Give how far two annotations of this domain's gold set agree, if that was measured; without the single disagreements."""
    path = ROOT / "benchmarks" / "results" / "agreement.json"
    results = read_json(path) if path.is_file() else {}
    if results.get("domain") != domain:
        return None
    return {key: value for key, value in results.items() if key != "disagreements"}


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.0.0",
    head: Annotated[str, typer.Option(help="Name of the head, for the report.")] = "softmax",
    gates: Annotated[str, typer.Option(help="A file in configs/gates, without .csv.")] = "demo",
    quiet: Quiet = False,
) -> None:
    """Write training/metrics.json and training/report/index.html from training/model-best and corpus/merged/test."""
    msg = Printer(no_print=quiet)
    model = ROOT / "training" / "model-best"
    if not model.is_dir():
        raise Ner11Error("no trained model", where=model, fix="Run 'spacy project run train' first")
    gates_path = ROOT / "configs" / "gates" / f"{gates}.csv"
    claims = load_gates(gates_path)
    schema = load_schema(schema_path(domain))
    device = configured_device(model / "config.cfg")
    if device.is_gpu:
        spacy.require_gpu(device.gpu_id)
    nlp = spacy.load(model)
    references = list(read_docs(ROOT / "corpus" / "merged" / "test", nlp.vocab))
    texts = tqdm(references, desc="Test texts", disable=True if quiet else None, leave=False)
    scores = evaluate(nlp, texts, roll_up=schema.roll_up)
    encoder = Encoder(**read_json(ROOT / "assets" / "encoders" / "selected.json"))
    metrics = {
        "model": {"name": f"en_ner11_{domain}", "version": version, "domain": domain, "encoder": encoder.title, "head": head},
        "training": read_json(ROOT / "training" / "train.json"),
        **scores,
        "gates_file": str(gates_path),
        "gates": [check_gate(gate, scores).to_dict() for gate in claims],
    }
    agreement = agreement_on(domain)
    if agreement:
        metrics["agreement"] = agreement
    write_json(ROOT / "training" / "metrics.json", metrics)
    ledger = read_json(ROOT / "corpus" / "merged" / "ledger.json")
    statistics = ROOT / "corpus" / "statistics.json"
    write_report(
        ROOT / "training" / "report",
        metrics=metrics,
        ledger=ledger,
        statistics=read_json(statistics) if statistics.is_file() else None,
    )

    log_report(ROOT / "training")

    for source, summary in metrics["sources"].items():
        rows = {**summary["labels"], "all (micro)": summary["micro"]}
        table = [
            (name, *(percent(row[key]) for key in ("precision", "recall", "f1")), row["support"]) for name, row in rows.items()
        ]
        msg.table(table, header=(source, "P", "R", "F1", "support"), divider=True, aligns=("l", "r", "r", "r", "r"))
    failed = [gate for gate in metrics["gates"] if not gate["passed"]]
    for gate in failed:
        msg.warn(
            f"Gate failed: {gate['metric']} of {gate['label']} on {gate['source']}: {percent(gate['value'])} ({gate['note']})"
        )
    if metrics["gates"] and not failed:
        msg.good(f"All {len(metrics['gates'])} gates of {gates_path} passed")
    msg.good("Wrote training/metrics.json and training/report/index.html")


if __name__ == "__main__":
    typer.run(main)
