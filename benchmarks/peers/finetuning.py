"""Token classification by `transformers.Trainer`, as its users write it: first pieces carry the tags, argmax decides."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from ner11.readers.columns import tag_spans

BATCH, WARMUP, MAX_PIECES, IGNORED = 16, 0.1, 512, -100


def tags_of(doc: Doc) -> list[str | None]:
    """Give BIO tags; None for a token whose annotation is not known."""
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else None if t.ent_iob_ == "" else "O" for t in doc]


def _cut(tokenizer: Any, doc: Doc) -> Any:
    return tokenizer([t.text for t in doc], is_split_into_words=True, truncation=True, max_length=MAX_PIECES)


def _encode(tokenizer: Any, docs: list[Doc], tag_ids: dict[str, int]) -> Iterator[dict[str, list[int]]]:
    """Tokenize; the first piece of a token carries its tag, everything else is left out of the loss."""
    for doc in docs:
        pieces = _cut(tokenizer, doc)
        tags, words = tags_of(doc), pieces.word_ids()
        labels = [
            tag_ids.get(tags[word] or "", IGNORED) if word is not None and word != before else IGNORED
            for before, word in zip([None, *words], words, strict=False)
        ]
        yield {**pieces, "labels": labels}


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model.

    Attributes:
        trainer: The trainer that holds the model.
        tokenizer: Its tokenizer.
        tags: The tags, in the order of the model's outputs.
        seconds: Time of `Trainer.train`.
        steps: Steps done.
    """

    trainer: Any
    tokenizer: Any
    tags: list[str]
    seconds: float
    steps: int

    def predict(self, docs: list[Doc]) -> Iterator[Doc]:
        """Put the predicted entities on copies of the documents."""
        self.trainer.args.group_by_length = False  # it would also sort what is predicted
        rows = list(_encode(self.tokenizer, docs, {}))
        best = np.argmax(self.trainer.predict(rows).predictions, axis=-1)
        for doc, scores in zip(docs, best, strict=True):
            words = _cut(self.tokenizer, doc).word_ids()
            found = ["O"] * len(doc)
            for i in reversed(range(len(words))):
                if words[i] is not None:
                    found[words[i]] = self.tags[scores[i]]
            result = Doc(doc.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
            result.ents = [Span(result, start, end, label) for start, end, label in tag_spans(found)]
            yield result


def fine_tune(train: list[Doc], *, encoder: str, epochs: int, rate: float, seed: int, **arguments: Any) -> FineTuned:
    """Fine-tune an encoder with the trainer's defaults, a linear warm-up and batches of 16, padded batch by batch.

    Args:
        train: Training texts.
        encoder: Hugging Face name or folder.
        epochs: Number of epochs.
        rate: Peak learning rate.
        seed: Seed of the head's weights and the order of the texts.
        **arguments: More `TrainingArguments`.
    """
    set_seed(seed)
    tags = ["O", *sorted({tag for doc in train for tag in tags_of(doc) if tag not in ("O", None)})]
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForTokenClassification.from_pretrained(encoder, num_labels=len(tags))
    rows = list(_encode(tokenizer, train, {tag: i for i, tag in enumerate(tags)}))
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            learning_rate=rate,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            num_train_epochs=epochs,
            warmup_ratio=WARMUP,
            save_strategy="no",
            report_to=[],
            seed=seed,
            disable_tqdm=True,
            logging_strategy="no",
            **arguments,
        )
        trainer: Any = Trainer(model, settings, data_collator=DataCollatorForTokenClassification(tokenizer), train_dataset=rows)
        trainer.remove_callback(PrinterCallback)
        start = perf_counter()
        trainer.train()
        return FineTuned(trainer, tokenizer, tags, perf_counter() - start, trainer.state.global_step)
