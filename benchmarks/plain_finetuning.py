"""Plain fine-tuning of the same encoder by transformers, one model a data set, as a yardstick for the `full` run.

Run it after `spacy project run full`: it takes the merged corpus, the encoder and the number of epochs of that run, trains
`AutoModelForTokenClassification` with `transformers.Trainer` on the training texts of one data set at a time, and scores
it on the same test texts by the same rules. Both results go to benchmarks/results/full.json, the README's table.
"""

import random
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import torch
import typer
from peers.finetuning import fine_tune
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.evaluation.metrics import summarize
from ner11.files import write_json
from ner11.pipeline.scoring import compare

RATE = 2e-4


def run(source: str, *, encoder: str, epochs: int, seed: int) -> dict[str, Any]:
    """Train on one data set and score on its test set."""
    vocab = spacy.blank("en").vocab
    train, test = (
        [doc for doc in read_docs(Path("corpus/merged") / split, vocab) if doc.user_data["source"] == source]
        for split in ("train", "test")
    )
    random.Random(seed).shuffle(train)
    tuned = fine_tune(train, encoder=encoder, epochs=epochs, rate=RATE, seed=seed, weight_decay=0.01, group_by_length=True)
    scores = summarize([compare(reference, doc) for reference, doc in zip(test, tuned.predict(test), strict=True)])
    words = sum(len(doc) for doc in train)
    return {**scores, "train_texts": len(train), "words_per_second": words * epochs / tuned.seconds}


def main(
    sources: Annotated[str, typer.Option(help="Data sets with a test split, separated by commas.")] = "cyner,wnut17",
    out: Annotated[Path, typer.Option(help="Where to write both results.")] = Path("benchmarks/results/full.json"),
) -> None:
    """Train the yardstick and write both results side by side."""
    msg = Printer()
    metrics = srsly.read_json("training/metrics.json")
    choices = {row["setting"]: row["value"] for row in srsly.read_json("training/choices.json")}
    encoder, epochs = srsly.read_json("assets/encoders/selected.json")["name"], int(choices["epochs"])
    plain = {}
    for source in sources.split(","):
        plain[source] = run(source, encoder=encoder, epochs=epochs, seed=0)
        ours = metrics["sources"][source]["micro"]["f1"]
        msg.good(f"{source}: plain fine-tuning F1 {100 * plain[source]['micro']['f1']:.2f}, ner11 {100 * ours:.2f}")
    ledger = srsly.read_json("corpus/merged/ledger.json")
    write_json(
        out,
        {
            "epochs": epochs,
            "encoder": encoder,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__.split("+")[0],
            "ner11": {**metrics, "texts_kept": ledger["texts_kept"]},
            "plain": plain,
        },
    )


if __name__ == "__main__":
    typer.run(main)
