"""Keep the figures of the default run for the README: python benchmarks/gold.py, from the project's folder, after `make run`."""

from pathlib import Path

import typer

from ner11.errors import Ner11Error
from ner11.files import read_json, write_json

RESULTS = Path("benchmarks/results/gold.json")
KEPT = ("labels", "levels", "levels_micro", "macro", "micro", "texts", "words")
MEASURED = ("slices", "robustness", "verdict", "gates")


def main() -> None:
    """Write the scores on the gold test set, by label and rolled up."""
    metrics = read_json(Path("training/metrics.json"))
    chosen = {choice["setting"]: choice["value"] for choice in read_json(Path("training/choices.json"))}
    if set(metrics["sources"]) != {"gold"} or chosen["device"] != "CPU" or not chosen["encoder"].endswith("minilm"):
        raise Ner11Error("not the default run", where="training/metrics.json", fix="Run 'make run' without other variables first")
    scores = metrics["sources"]["gold"]
    found = {"model": metrics["model"], "training": metrics["training"], **{key: scores[key] for key in KEPT}}
    found |= {key: metrics[key] for key in MEASURED}
    found["calibration"] = {when: {**metrics["calibration"][when], "bins": []} for when in ("before", "after")}
    write_json(RESULTS, {**found, "agreement": metrics.get("agreement")})


if __name__ == "__main__":
    typer.run(main)
