"""Compare the evaluated model with an earlier one on the test texts that both have seen."""

from common import ROOT, Quiet, command

# isort: split
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.tokens import Doc
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.evaluation.comparison import compare_models
from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.predictions import Predictions, attach, collect_predictions, find_release, read_predictions
from ner11.evaluation.texts import from_reference, name_documents, predict
from ner11.files import write_json
from ner11.training.hardware import AUTO, find_device

PREDICTIONS = ROOT / "training" / "predictions.jsonl"
MOST_LABELS = 20
HEADER = ("label", "before", "now", "difference", "95% interval", "p", "p worse")


def run_pipeline(folder: Path, references: Sequence[Doc]) -> Predictions:
    """Run another trained pipeline over the test texts."""
    if not (folder / "config.cfg").is_file():
        raise Ner11Error("no trained pipeline", where=folder, fix="Give a folder like training/model-best, or a predictions file")
    device = find_device(AUTO)
    if device.is_gpu:
        spacy.require_gpu(device.gpu_id)
    try:
        nlp = spacy.load(folder)
    except (OSError, ValueError) as e:  # spaCy says with these what the folder or this environment lacks
        reason = " ".join(str(e).split())
        raise Ner11Error(f"cannot be loaded ({reason})", where=folder, fix="Give its predictions file instead") from e
    model = {"name": f"{nlp.meta['lang']}_{nlp.meta['name']}", "version": nlp.meta["version"]}
    return collect_predictions(predict(nlp, references), model=model)


def find_baseline(baseline: str, current: Predictions) -> Path | None:
    """Find what to compare with; None if nothing is released yet."""
    if baseline != AUTO:
        return Path(baseline)
    release = find_release(ROOT / "packages", **current.model)
    if release is None:
        return None
    if not release.predictions.is_file():
        raise Ner11Error(
            f"the predictions of the release {release.name} {release.version} are not there",
            where=release.predictions,
            fix="Restore the file from the version control, or name another one with --vars.baseline",
        )
    return release.predictions


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    scores = percent(row["baseline_f1"]), percent(row["f1"]), f"{100 * row['difference']:+.1f}"
    return *scores, percent_range(row["interval"]), f"{row['p']:.4f}", f"{row.get('p_worse_adjusted', row['p_worse']):.4f}"


def _print_comparison(msg: Printer, comparison: dict[str, Any]) -> None:
    # The least likely differences first: the largest ones are those of labels with a handful of spans.
    changed = [item for item in comparison["labels"].items() if item[1]["difference"]]
    changed.sort(key=lambda item: (item[1]["p"], -abs(item[1]["difference"]), item[0]))
    rows = [(label, *_cells(row)) for label, row in changed[:MOST_LABELS]]
    msg.table([*rows, ("all (micro)", *_cells(comparison["overall"]))], header=HEADER, divider=True, aligns=("l", *"r" * 6))
    if len(changed) > MOST_LABELS:
        msg.text(f"{len(changed) - MOST_LABELS} more labels differ")
    if comparison["missing"]:
        msg.warn(f"{comparison['missing']} test texts are not among the predictions of the earlier model and were left out")
    msg.info(f"{comparison['fixed']} errors fixed, {comparison['broken']} new ones, in {comparison['texts']} texts")


@command
def main(
    baseline: Annotated[
        str, typer.Option(help="A .predictions.jsonl, a folder of a trained pipeline, or auto: the last release in packages.")
    ] = AUTO,
    seed: Annotated[int, typer.Option(help="Seed of resamples and swaps.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write training/comparison.json from training/predictions.jsonl, corpus/merged/test and the baseline."""
    msg = Printer(no_print=quiet)
    if not PREDICTIONS.is_file():
        raise Ner11Error("the model is not evaluated", where=PREDICTIONS, fix="Run 'spacy project run evaluate' first")
    current = read_predictions(PREDICTIONS)
    references = list(read_docs(ROOT / "corpus" / "merged" / "test", spacy.blank("en").vocab))
    texts = attach(name_documents([from_reference(doc) for doc in references]), current)
    if len(texts) < len(references):
        what = f"{len(references) - len(texts)} of {len(references)} test texts are not there"
        raise Ner11Error(what, where=PREDICTIONS, fix="Run 'spacy project run evaluate' again")
    path = find_baseline(baseline, current)
    comparison = None
    if path:
        earlier = run_pipeline(path, references) if path.is_dir() else read_predictions(path)
        comparison = compare_models(texts, earlier, seed=seed)
        names = (f"{model['name']} {model['version']}" for model in (current.model, earlier.model))
        msg.divider(" against ".join(names))
        _print_comparison(msg, comparison)
    else:
        msg.info(f"No release up to {current.model['version']} in packages/releases.json to compare with")
    write_json(ROOT / "training" / "comparison.json", comparison)
    msg.good("Wrote training/comparison.json")


if __name__ == "__main__":
    typer.run(main)
