"""Build the pip-installable packages of the trained pipeline, if its gates have passed."""

from common import ROOT, Domain, Quiet, command, datasets_path, schema_path

# isort: split
from pathlib import Path
from typing import Annotated, Any

import typer
from gate import AllowFailed, is_allowed
from wasabi import Printer

from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.files import hash_folder, read_json, read_object, write_json, write_text
from ner11.release.card import make_card
from ner11.release.package import FAILED_GATES, ONNX, build_meta, build_package, check_version, publish, staging
from ner11.release.verdict import read_metrics, read_verdict
from ner11.schema import load_schema

TRAINING = ROOT / "training"
PACKAGES = ROOT / "packages"
PRECISIONS = ("int8", "fp32")
"""Of the package without torch; the first that was exported."""


def find_export(model: Path, *, name: str) -> tuple[Path, dict[str, Any]] | None:
    """Find the pipeline without torch, and how it compares with the one that it was exported from.

    Args:
        model: Folder of the trained pipeline.
        name: Name of its package.

    Returns:
        None if there is none: not every pipeline can be exported.

    Raises:
        Ner11Error: If it was exported from another pipeline, or changed since.
    """
    record = TRAINING / "export.json"
    if not record.is_file():
        return None
    export = read_object(record, "model_sha256", "precisions")
    again = "Run 'spacy project run export' again, with --force"
    if export["model_sha256"] != hash_folder(model):
        raise Ner11Error(f"about another model than {model}", where=record, fix=again)
    precision = next((precision for precision in PRECISIONS if precision in export["precisions"]), None)
    if precision is None:
        return None
    folder = TRAINING / "onnx" / precision
    if not folder.is_dir() or hash_folder(folder) != export["precisions"][precision]["sha256"]:
        raise Ner11Error(f"not the export that {record} is about", where=folder, fix=again)
    parity = {key: export[key] for key in PRECISIONS if key in export}
    return folder, {"of": name, "precision": precision, "parity": parity}


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the packages; one that ends with .dev0 may be replaced.")] = "0.0.0",
    allow_failed_gates: AllowFailed = "no",
    quiet: Quiet = False,
) -> None:
    """Write sdists and wheels into packages/, with what the model predicts on the test texts, and training/package.json."""
    msg = Printer(no_print=quiet)
    is_development = check_version(version).is_devrelease
    allowed = is_allowed(allow_failed_gates)
    model = TRAINING / "model-best"
    metrics_path = TRAINING / "metrics.json"
    metrics = read_metrics(metrics_path)
    evaluated = metrics["model"]
    name = f"en_ner11_{domain}"
    if (evaluated["domain"], evaluated["version"]) != (domain, version):
        raise Ner11Error(
            f"about {evaluated['name']} {evaluated['version']}, not {name} {version}",
            where=metrics_path,
            fix="Run 'spacy project run evaluate' and gate with this domain and version",
        )
    gates = read_verdict(TRAINING / "gates.json", model=model, metrics_path=metrics_path, allow_failed=allowed)
    ledger = read_json(ROOT / "corpus" / "merged" / "ledger.json")
    used = {row["source"] for row in ledger["texts_kept"] if row["split"] == "train"}
    datasets = [dataset for dataset in load_datasets(datasets_path(domain)) if dataset.name in used]
    schema = load_schema(schema_path(domain))
    export = find_export(model, name=name if gates["verdict"]["may_ship"] else f"{name}{FAILED_GATES}")

    with staging(PACKAGES) as folder:
        packages = []
        for pipeline, suffix, parity in ((model, "", None), *([(export[0], ONNX, export[1])] if export else [])):
            meta = build_meta(
                pipeline,
                name=f"ner11_{domain}{suffix}",
                version=version,
                metrics=metrics,
                gates=gates,
                datasets=datasets,
                definitions={label: schema.node(label).definition for label in schema.active},
                export=parity,
            )
            packages.append(build_package(pipeline, folder, meta=meta, card=make_card(metrics, meta), datasets=datasets))
        packages, new = publish(packages, PACKAGES)
    predictions = TRAINING / "predictions.jsonl"
    if predictions.is_file() and not is_development:  # what the next release is compared with
        target = PACKAGES / f"{packages[0].name}-{version}.predictions.jsonl"
        write_text(target, predictions.read_text(encoding="utf8"))
    write_json(TRAINING / "package.json", {"packages": [package.to_dict() for package in packages]})
    for path in (path for package in packages for path in (package.wheel, package.sdist)):
        msg.good(f"{'Wrote' if new else 'Unchanged:'} {path} ({path.stat().st_size / 2**20:.0f} MiB)")
    if not export:
        msg.warn("No package without torch: run 'spacy project run export' first, if the pipeline can be exported")
    if not gates["verdict"]["may_ship"]:
        msg.warn("The gates failed, and the names say so")


if __name__ == "__main__":
    typer.run(main)
