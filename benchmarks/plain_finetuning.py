"""Plain fine-tuning of the same encoder by transformers, one model a data set, as a yardstick for the `full` run.

Run it after `spacy project run full`: it takes the merged corpus, the encoder and the number of epochs of that run, trains
`AutoModelForTokenClassification` with `transformers.Trainer` on the training texts of one data set at a time, and scores
it on the same test texts by the same rules. Both results go to benchmarks/results/full.json, the README's table.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from spacy.tokens import Doc, Span
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.evaluation.metrics import summarize
from ner11.files import write_json
from ner11.pipeline.scoring import compare
from ner11.readers.columns import tag_spans

RATE, BATCH, WARMUP, MAX_PIECES, IGNORED = 2e-4, 16, 0.1, 512, -100


def tags_of(doc: Doc) -> list[str | None]:
    """Give BIO tags; None for a token whose annotation is not known."""
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else None if t.ent_iob_ == "" else "O" for t in doc]


def encode(tokenizer: Any, docs: list[Doc], tag_ids: dict[str, int]) -> Iterator[dict[str, list[int]]]:
    """Tokenize; the first piece of a token carries its tag, everything else is left out of the loss."""
    for doc in docs:
        pieces = tokenizer([t.text for t in doc], is_split_into_words=True, truncation=True, max_length=MAX_PIECES)
        tags, words = tags_of(doc), pieces.word_ids()
        labels = [
            tag_ids[tags[word]] if word is not None and word != before and tags[word] in tag_ids else IGNORED
            for before, word in zip([None, *words], words, strict=False)
        ]
        yield {**pieces, "labels": labels}


def predict(
    trainer: Trainer, tokenizer: Any, docs: list[Doc], rows: list[dict[str, list[int]]], tags: list[str]
) -> Iterator[Doc]:
    """Put the predicted entities on copies of the documents."""
    best = np.argmax(trainer.predict(rows).predictions, axis=-1)
    for doc, scores in zip(docs, best, strict=True):
        pieces = tokenizer([t.text for t in doc], is_split_into_words=True, truncation=True, max_length=MAX_PIECES)
        words = pieces.word_ids()
        found = ["O"] * len(doc)
        for i in reversed(range(len(words))):
            if words[i] is not None:
                found[words[i]] = tags[scores[i]]
        result = Doc(doc.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        result.ents = [Span(result, start, end, label) for start, end, label in tag_spans(found, where="prediction")]
        yield result


def run(source: str, *, encoder: str, epochs: int, seed: int) -> dict[str, Any]:
    """Train on one data set and score on its test set."""
    vocab = spacy.blank("en").vocab
    train, test = (
        [doc for doc in read_docs(Path("corpus/merged") / split, vocab) if doc.user_data["source"] == source]
        for split in ("train", "test")
    )
    tags = ["O", *sorted({tag for doc in train for tag in tags_of(doc) if tag not in ("O", None)})]
    tag_ids = {tag: i for i, tag in enumerate(tags)}
    set_seed(seed)
    random.Random(seed).shuffle(train)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForTokenClassification.from_pretrained(encoder, num_labels=len(tags))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            learning_rate=RATE,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            num_train_epochs=epochs,
            warmup_ratio=WARMUP,
            weight_decay=0.01,
            group_by_length=True,
            save_strategy="no",
            report_to=[],
            seed=seed,
            disable_tqdm=True,
            logging_strategy="no",
        )
        collator = DataCollatorForTokenClassification(tokenizer)
        trainer = Trainer(model, arguments, data_collator=collator, train_dataset=list(encode(tokenizer, train, tag_ids)))
        start = perf_counter()
        trainer.train()
        seconds = perf_counter() - start
        trainer.args.group_by_length = False  # it would also sort what is predicted
        rows = list(encode(tokenizer, test, tag_ids))
        predicted = predict(trainer, tokenizer, test, rows, tags)
        scores = summarize([compare(reference, doc) for reference, doc in zip(test, predicted, strict=True)])
    words = sum(len(doc) for doc in train)
    return {**scores, "train_texts": len(train), "words_per_second": words * epochs / seconds}


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
