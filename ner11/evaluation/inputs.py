"""What an evaluation starts from: the trained pipeline, its log, and the release to compare it with."""

from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.language import Language

from ner11.errors import Ner11Error
from ner11.evaluation.predictions import Predictions, find_release, read_predictions
from ner11.training.encoder import Encoder


def read_baseline(wanted: str, *, packages: Path, name: str, version: str) -> tuple[Predictions | None, dict[str, str]]:
    """Read what the last release found.

    Args:
        wanted: "auto" for the last release, "none", or a file of predictions.
        packages: Folder of the releases.
        name: Of the package.
        version: Of the model; later releases do not count.

    Returns:
        The predictions, None if there are none; and `status` ("compared", "first", "off", "missing") with a `note` that says
        why there is nothing to compare with.

    Raises:
        Ner11Error: If the file is missing or damaged.
    """
    if wanted == "none":
        return None, {"status": "off", "note": "the comparison was switched off"}
    path = Path(wanted)
    if wanted == "auto":
        release = find_release(packages, name=name, version=version)
        if release is None:
            return None, {"status": "first", "note": "no earlier release to compare with"}
        path = release.predictions
        if not path.is_file():
            return None, {"status": "missing", "note": f"release {release.version} left no {path.as_posix()} here"}
    return read_predictions(path), {"status": "compared", "note": path.as_posix()}


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the training log, if it is there.

    Raises:
        Ner11Error: If it is damaged.
    """
    try:
        rows = list(srsly.read_jsonl(path)) if path.is_file() else []
    except ValueError as e:
        raise Ner11Error(f"damaged ({e})", where=path, fix="Delete it, or train again") from e
    return [row for row in rows if isinstance(row, dict) and {"step", "score"} <= row.keys()]


def load_pipeline(model: Path) -> Language:
    """Load the trained pipeline.

    Raises:
        Ner11Error: If it is damaged.
    """
    try:
        return spacy.load(model)
    except (OSError, ValueError) as e:  # spaCy says with these what the folder lacks
        reason = " ".join(str(e).split())
        raise Ner11Error(f"cannot be loaded ({reason})", where=model, fix="Run 'spacy project run train' again") from e


def describe(nlp: Language, encoder: Encoder) -> dict[str, str]:
    """Name the encoder and the head that a pipeline has.

    Raises:
        Ner11Error: If another encoder was chosen since it was trained.
    """
    parts = nlp.config["components"]
    trained = parts.get("transformer", {}).get("model", {}).get("name", encoder.name)
    if trained != encoder.name:
        fix = "Train again, or run 'spacy project run encoder' with the encoder that it has"
        raise Ner11Error(f"the model has the encoder {trained}, but {encoder.name} is chosen now", where="evaluate", fix=fix)
    factories = [part["factory"] for part in parts.values()]
    return {"encoder": encoder.title, "head": "softmax" if "softmax_ner" in factories else "transition"}
