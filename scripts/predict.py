"""Write what a trained pipeline finds in the test texts: what another one is compared with."""

from common import ROOT, Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import spacy
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.shards import list_shards, read_docs
from ner11.errors import Ner11Error
from ner11.evaluation.predictions import write_predictions
from ner11.evaluation.texts import predict
from ner11.training.hardware import AUTO, find_device

TEST = ROOT / "corpus" / "merged" / "test"


@command
def main(
    pipeline: Annotated[str, typer.Argument(help="Folder of a trained pipeline, or name of an installed package.")],
    name: Annotated[str, typer.Option(help="What the model is called, with its language.")],
    version: Annotated[str, typer.Option(help="Its version.")],
    output: Annotated[Path, typer.Option(help="The .predictions.jsonl to write.")],
    quiet: Quiet = False,
) -> None:
    """Run a pipeline over corpus/merged/test."""
    msg = Printer(no_print=quiet)
    if not list_shards(TEST):
        raise Ner11Error("no test texts", where=TEST, fix="Run 'spacy project run merge' first")
    device = find_device(AUTO)
    if device.is_gpu:
        spacy.require_gpu(device.gpu_id)
    try:
        nlp = spacy.load(pipeline)
    except (ImportError, OSError, ValueError) as e:  # spaCy says with these what the pipeline or this environment lacks
        raise Ner11Error(f"cannot be loaded ({' '.join(str(e).split())})", where=pipeline, fix="Name another one") from e
    docs = tqdm(read_docs(TEST, nlp.vocab), desc="Test texts", disable=True if quiet else None, leave=False)
    texts = predict(nlp, docs)
    write_predictions(output, texts, model={"name": name, "version": version})
    msg.good(f"Wrote {output}: what {name} {version} finds in {len(texts)} texts")


if __name__ == "__main__":
    typer.run(main)
