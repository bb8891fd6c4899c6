"""Build the pip-installable package of the trained pipeline."""

from common import ROOT, Domain, Quiet, command, datasets_path, schema_path

# isort: split
import re
from typing import Annotated

import typer
from wasabi import Printer

from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.files import read_json
from ner11.release.package import build_meta, build_package
from ner11.schema import load_schema


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the package.")] = "0.0.0",
    quiet: Quiet = False,
) -> None:
    """Write the sdist and the wheel into packages/."""
    msg = Printer(no_print=quiet)
    if not re.fullmatch(r"\d+\.\d+\.\d+([abc.]|rc)?\w*", version):
        raise Ner11Error(f"'{version}' is no version of three parts", where="version", fix="Give one like 1.10.0")
    metrics_path = ROOT / "training" / "metrics.json"
    if not metrics_path.is_file():
        raise Ner11Error("the model is not evaluated", where=metrics_path, fix="Run 'spacy project run evaluate' first")
    ledger = read_json(ROOT / "corpus" / "merged" / "ledger.json")
    used = {row["source"] for row in ledger["texts_kept"] if row["split"] == "train"}
    datasets = [dataset for dataset in load_datasets(datasets_path(domain)) if dataset.name in used]
    schema = load_schema(schema_path(domain))
    model = ROOT / "training" / "model-best"
    meta = build_meta(
        model,
        name=f"ner11_{domain}",
        version=version,
        metrics=read_json(metrics_path),
        datasets=datasets,
        definitions={label: schema.node(label).definition for label in schema.active},
    )
    for path in build_package(model, ROOT / "packages", meta=meta, datasets=datasets):
        msg.good(f"Wrote {path} ({path.stat().st_size / 2**20:.0f} MiB)")


if __name__ == "__main__":
    typer.run(main)
