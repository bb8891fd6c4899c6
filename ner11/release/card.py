"""The model card: what a model is for, what it scores and what it was made from; every figure comes from the metrics."""

from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from ner11.evaluation.figures import percent, percent_range

FEW = 50
"""Test spans of a label below which its interval is too wide for a claim."""
WEAK = 0.5
"""F1 below which a label is named among the limits."""
_TASK = "token-classification"
_METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
_ENVIRONMENT = Environment(
    loader=PackageLoader("ner11.release"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def _cell(text: Any) -> str:
    """Write a text into a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", r"\|")


def _figure(row: dict[str, Any], metric: str) -> str:
    """Write a figure in percent with its interval: `70.8 [67.5, 73.8]`."""
    return f"{percent(row[metric])} {percent_range(row[f'{metric}_interval'])}".strip()


def _number(value: float | None, form: str = "%.0f") -> str:
    """Write what may not have been measured."""
    return "not measured" if value is None else form % value


_ENVIRONMENT.filters.update(cell=_cell, figure=_figure, number=_number, percent=percent, range=percent_range)


def card_data(metrics: dict[str, Any], meta: dict[str, Any]) -> ModelCardData:
    """Make the metadata that the Hugging Face Hub reads, with precision, recall and F1 of each test set as model-index.

    Args:
        metrics: As in `training/metrics.json`.
        meta: As in the package's meta.json.
    """
    commits = {row["name"]: row["commit"] for row in metrics["provenance"]["data"]}
    results = [
        EvalResult(
            task_type=_TASK,
            task_name="Named entity recognition",
            dataset_type=source,
            dataset_name=source,
            dataset_split="test",
            dataset_revision=commits.get(source),
            metric_type=metric,
            metric_name=name,
            metric_value=round(summary["micro"][metric], 4),
        )
        for source, summary in metrics["sources"].items()
        for metric, name in _METRICS.items()
        if summary["micro"][metric] is not None
    ]
    return ModelCardData(
        language=meta["lang"],
        license=meta["license"].lower(),
        library_name="spacy",
        pipeline_tag=_TASK,
        tags=["spacy", _TASK, "named-entity-recognition", metrics["model"]["domain"]],
        metrics=list(_METRICS),
        model_name=f"{meta['lang']}_{meta['name']}",
        eval_results=results,
    )


def make_card(metrics: dict[str, Any], meta: dict[str, Any]) -> str:
    """Write the model card.

    Args:
        metrics: As in `training/metrics.json`.
        meta: As in the package's meta.json, by `build_meta`.

    Returns:
        Markdown with YAML metadata in front, as the Hugging Face Hub reads it.
    """
    labels = metrics["overall"]["labels"]
    measured = {label: labels[label] for label in meta["ner11"]["label_scheme"] if label in labels}
    return _ENVIRONMENT.get_template("card.md").render(
        data=card_data(metrics, meta).to_yaml(),
        meta=meta,
        ner11=meta["ner11"],
        export=meta["ner11"].get("export"),
        package=f"{meta['lang']}_{meta['name']}",
        metrics=metrics,
        provenance=metrics["provenance"],
        labels=labels,
        few=FEW,
        weak=WEAK,
        unproven=[label for label, row in measured.items() if row["support"] < FEW],
        weaker=[label for label, row in measured.items() if row["support"] and row["f1"] < WEAK],
        unmeasured=[label for label in meta["ner11"]["label_scheme"] if not labels.get(label, {}).get("support")],
    )
