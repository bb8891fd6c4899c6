"""Build the pip-installable package of the trained pipeline, if its gates have passed."""

from common import ROOT, Domain, Quiet, command, datasets_path, schema_path

# isort: split
import hashlib
import re
from typing import Annotated

import typer
from gate import AllowFailed, is_allowed
from wasabi import Printer

from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.files import read_json, write_json, write_text
from ner11.release.card import make_card
from ner11.release.package import build_meta, build_package
from ner11.release.verdict import read_metrics, read_verdict
from ner11.schema import load_schema

TRAINING = ROOT / "training"
PACKAGES = ROOT / "packages"


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the package.")] = "0.0.0",
    allow_failed_gates: AllowFailed = "no",
    quiet: Quiet = False,
) -> None:
    """Write the sdist and the wheel into packages/, with what the model predicts on the test texts, and training/package.json."""
    msg = Printer(no_print=quiet)
    if not re.fullmatch(r"\d+\.\d+\.\d+([abc.]|rc)?\w*", version):
        raise Ner11Error(f"'{version}' is no version of three parts", where="version", fix="Give one like 1.10.0")
    allowed = is_allowed(allow_failed_gates)
    model = TRAINING / "model-best"
    metrics_path = TRAINING / "metrics.json"
    metrics = read_metrics(metrics_path)
    evaluated = metrics["model"]
    if (evaluated["domain"], evaluated["version"]) != (domain, version):
        raise Ner11Error(
            f"about {evaluated['name']} {evaluated['version']}, not en_ner11_{domain} {version}",
            where=metrics_path,
            fix="Run 'spacy project run evaluate' and gate with this domain and version",
        )
    gates = read_verdict(TRAINING / "gates.json", model=model, metrics_path=metrics_path, allow_failed=allowed)
    ledger = read_json(ROOT / "corpus" / "merged" / "ledger.json")
    used = {row["source"] for row in ledger["texts_kept"] if row["split"] == "train"}
    datasets = [dataset for dataset in load_datasets(datasets_path(domain)) if dataset.name in used]
    schema = load_schema(schema_path(domain))
    meta = build_meta(
        model,
        name=f"ner11_{domain}",
        version=version,
        metrics=metrics,
        gates=gates,
        datasets=datasets,
        definitions={label: schema.node(label).definition for label in schema.active},
    )
    wheel, sdist = build_package(model, PACKAGES, meta=meta, card=make_card(metrics, meta), datasets=datasets)
    name = f"{meta['lang']}_{meta['name']}"
    predictions = TRAINING / "predictions.jsonl"
    if predictions.is_file():  # what the next release is compared with
        write_text(PACKAGES / f"{name}-{version}.predictions.jsonl", predictions.read_text(encoding="utf8"))
    package = {
        "name": name,
        "version": version,
        "wheel": wheel.as_posix(),
        "sdist": sdist.as_posix(),
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }
    write_json(TRAINING / "package.json", package)
    for path in (wheel, sdist):
        msg.good(f"Wrote {path} ({path.stat().st_size / 2**20:.0f} MiB)")
    if not meta["ner11"]["gates_passed"]:
        msg.warn("Its gates failed, and its name says so")


if __name__ == "__main__":
    typer.run(main)
