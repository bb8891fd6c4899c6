"""Measure the trained pipeline on the untouched test split, check the gates, and write the report."""

from common import ROOT, Domain, Quiet, command, datasets_path, schema_path

# isort: split
from time import perf_counter
from typing import Annotated, Any

import spacy
import srsly
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.gates import check_gates, load_gates, verdict
from ner11.evaluation.inputs import describe, load_pipeline, read_baseline, read_log
from ner11.evaluation.predictions import write_predictions
from ner11.evaluation.provenance import collect_provenance
from ner11.evaluation.report.page import write_report
from ner11.evaluation.run import measure_pipeline
from ner11.files import hash_folder, read_object, write_json, write_text
from ner11.release.verdict import FORMAT
from ner11.schema import load_schema
from ner11.training.encoder import Encoder, piece_counter
from ner11.training.hardware import configured_device
from ner11.training.tracking import log_report

TRAINING = ROOT / "training"
ENCODER = ("kind", "name", "width", "layers", "reason")
MERGED = ROOT / "corpus" / "merged"


def agreement_on(domain: str) -> dict[str, Any] | None:
    """Give how far two annotations of this domain's gold set agree, if that was measured; without the single disagreements."""
    path = ROOT / "benchmarks" / "results" / "agreement.json"
    results = read_object(path, "domain", "documents", "overall", "labels") if path.is_file() else {}
    if results.get("domain") != domain:
        return None
    return {key: value for key, value in results.items() if key != "disagreements"}


def _print_scores(msg: Printer, metrics: dict[str, Any]) -> None:
    for source, summary in metrics["sources"].items():
        rows = {**summary["labels"], "all (micro)": summary["micro"]}
        table = [
            (
                name,
                *(percent(row[key]) for key in ("precision", "recall", "f1")),
                percent_range(row["f1_interval"]),
                row["support"],
            )
            for name, row in rows.items()
        ]
        header = (source, "P", "R", "F1", "95% interval", "support")
        msg.table(table, header=header, divider=True, aligns=("l", *"r" * 5))


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.0.0",
    gates: Annotated[str, typer.Option(help="A file in configs/gates, without .csv.")] = "demo",
    baseline: Annotated[str, typer.Option(help="The last release: auto, none, or its .predictions.jsonl.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of resamples and perturbations.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write training/metrics.json, training/predictions.jsonl and training/report/ from training/model-best and corpus/merged."""
    msg = Printer(no_print=quiet)
    model = TRAINING / "model-best"
    if not model.is_dir():
        raise Ner11Error("no trained model", where=model, fix="Run 'spacy project run train' first")
    gates_path = ROOT / "configs" / "gates" / f"{gates}.csv"
    claims = load_gates(gates_path)
    schema = load_schema(schema_path(domain))
    name = f"en_ner11_{domain}"
    last, compared = read_baseline(baseline, packages=ROOT / "packages", name=name, version=version)
    ledger = read_object(MERGED / "ledger.json", "texts_kept", "texts", "spans", "problems", "leaks", "conflicts")
    selected = ROOT / "assets" / "encoders" / "selected.json"
    encoder = Encoder(**{key: read_object(selected, *ENCODER)[key] for key in ENCODER})
    training = read_object(TRAINING / "train.json", "seconds", "steps", "words", "best_score", "best_step", "stopped_early")
    log, agreement = read_log(TRAINING / "log.jsonl"), agreement_on(domain)
    statistics = ROOT / "corpus" / "statistics.json"
    corpus = read_object(statistics) if statistics.is_file() else None
    if (model / "config.cfg").is_file():
        device = configured_device(model / "config.cfg")
        if device.is_gpu:
            spacy.require_gpu(device.gpu_id)
    started = perf_counter()
    nlp = load_pipeline(model)
    described = describe(nlp, encoder)
    size = sum(row["count"] for row in ledger["texts_kept"] if row["split"] == "test")
    measured, texts, errors = measure_pipeline(
        nlp,
        test=tqdm(
            read_docs(MERGED / "test", nlp.vocab), total=size, desc="Test texts", disable=True if quiet else None, leave=False
        ),
        dev=read_docs(MERGED / "dev", nlp.vocab),
        train=read_docs(MERGED / "train", nlp.vocab),
        schema=schema,
        count_pieces=piece_counter(encoder),
        baseline=last,
        seed=seed,
    )
    used = {row["source"] for row in ledger["texts_kept"]}
    metrics = {
        "format": FORMAT,
        "model": {"name": name, "version": version, "domain": domain, **described, "sha256": hash_folder(model)},
        "training": training,
        **measured,
        "baseline": compared,
        "gates_file": gates_path.as_posix(),
        "provenance": collect_provenance(
            [dataset for dataset in load_datasets(datasets_path(domain)) if dataset.name in used],
            config=model / "config.cfg",
            device=device,
            training=training,
            evaluation_seconds=perf_counter() - started,
            root=ROOT,
        ),
    }
    if agreement:
        metrics["agreement"] = agreement
    results = check_gates(claims, metrics, known=schema)
    metrics |= {"gates": [result.to_dict() for result in results], "verdict": verdict(results)}
    write_report(TRAINING / "report", metrics=metrics, ledger=ledger, statistics=corpus, errors=errors, log=log)
    write_text(TRAINING / "report" / "errors.jsonl", "".join(f"{srsly.json_dumps(row)}\n" for row in errors))
    write_predictions(TRAINING / "predictions.jsonl", texts, model={"name": name, "version": version})
    write_json(TRAINING / "metrics.json", metrics)
    log_report(TRAINING)

    _print_scores(msg, metrics)
    for label, spans in metrics["unknown_labels"].items():
        msg.warn(f"The model does not have the label {label}, which the test set has {spans} times: they count as missed")
    if last:
        told = metrics["comparison"]
        if told["missing"]:
            msg.warn(
                f"{told['missing']} test texts are not among the predictions of {last.model['version']}: compared on the rest"
            )
        msg.info(
            f"F1 against {last.model['version']}: {100 * told['overall']['difference']:+.1f} points, "
            f"{told['fixed']} errors fixed, {told['broken']} new ones"
        )
    msg.good("Wrote training/metrics.json, training/predictions.jsonl and training/report/index.html")


if __name__ == "__main__":
    typer.run(main)
