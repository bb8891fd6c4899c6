"""The report that QA reads: one HTML file, made from the files that a run wrote."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from ner11.evaluation.metrics import percent
from ner11.files import write_text


def write_report(path: Path, *, metrics: dict[str, Any], ledger: dict[str, Any]) -> None:
    """Write the report.

    Args:
        path: The HTML file.
        metrics: As in `training/metrics.json`.
        ledger: As in `corpus/merged/ledger.json`.

    Raises:
        OSError: If the file cannot be written; the old one stays.
    """
    environment = Environment(
        loader=PackageLoader("ner11.evaluation"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = percent
    write_text(path, environment.get_template("index.html").render(metrics=metrics, ledger=ledger))
