"""Compose the training configuration from fragments and from what the machine and the corpus are like."""

from common import ROOT, Domain, Quiet, command, schema_path

# isort: split
from pathlib import Path
from typing import Annotated

import spacy
import typer
from wasabi import Printer

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.files import read_json, write_json, write_text
from ner11.schema import load_schema
from ner11.training.compose import Wishes, as_rows, compose
from ner11.training.encoder import Encoder
from ner11.training.hardware import find_device


@command
def main(
    domain: Domain = "cyber",
    head: Annotated[str, typer.Option(help="A fragment in configs/head.")] = "softmax",
    gpu_id: Annotated[str, typer.Option(help="auto, -1 for the CPU, or a GPU's number.")] = "auto",
    epochs: Annotated[str, typer.Option(help="Number of epochs, or auto.")] = "auto",
    batch_pieces: Annotated[str, typer.Option(help="Padded word pieces that go through the encoder at once, or auto.")] = "auto",
    precision: Annotated[str, typer.Option(help="Of the encoder's arithmetic: auto, fp32, bf16 or fp16.")] = "auto",
    gpu_memory: Annotated[str, typer.Option(help="Most GPU memory to use, in GiB, or auto for what is free.")] = "auto",
    learning_rate: Annotated[str, typer.Option(help="Peak rate of the encoder, or auto.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write training/config.cfg and training/choices.json, and say why each value was chosen."""
    msg = Printer(no_print=quiet)
    selected = ROOT / "assets" / "encoders" / "selected.json"
    if not selected.is_file():
        raise Ner11Error("no encoder is chosen yet", where=selected, fix="Run 'spacy project run encoder' first")
    encoder = Encoder(**read_json(selected))
    vocab = spacy.blank("en").vocab
    schema = load_schema(schema_path(domain))
    # A corpus that was not merged here has no ledger: its labels are found when training starts.
    ledger = ROOT / "corpus" / "merged" / "ledger.json"
    kept = read_json(ledger)["spans_kept"] if ledger.is_file() else []
    dev_words = sum(len(doc) for doc in read_docs(ROOT / "corpus" / "merged" / "dev", vocab))
    config, choices = compose(
        ROOT / "configs",
        encoder=encoder,
        head=head,
        device=find_device(gpu_id),
        wishes=Wishes(
            epochs=epochs,
            batch_pieces=batch_pieces,
            seed=seed,
            precision=precision,
            gpu_memory=gpu_memory,
            learning_rate=learning_rate,
        ),
        dev_words=dev_words,
        groups={label: schema.roll_up(label, 1) for label in schema.active},
        labels=sorted({name for row in kept if row["split"] == "train" for name in row["label"].split(SEPARATOR)} - {UNKNOWN}),
    )
    training = ROOT / "training"
    write_text(training / "config.cfg", config.to_str())
    write_json(training / "choices.json", [choice.__dict__ for choice in choices])
    msg.table(as_rows(choices), header=("setting", "value", "because"), divider=True, max_col=90)
    msg.good(f"Wrote {Path('training/config.cfg')}")


if __name__ == "__main__":
    typer.run(main)
