"""Out-of-fold probabilities: what models that never saw a document think of its tokens."""

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, minibatch, registry
from thinc.api import Config

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.corpus.shards import read_docs, write_docs
from ner11.errors import Ner11Error
from ner11.evaluation.texts import BATCH_SIZE, TestText, from_reference, name_documents
from ner11.pipeline.allowed import read_annotation, token_classes
from ner11.pipeline.confidence import token_marginals
from ner11.pipeline.tags import OUTSIDE
from ner11.training.compose import WARMUP_SHARE
from ner11.training.hardware import configured_device
from ner11.training.loop import BEST, train

NER = "ner"
"""The component that is asked for probabilities."""
_HEAD = "softmax_ner"


@dataclass
class HeldOut:
    """A text, and what a model that was trained without its document thinks of it.

    Attributes:
        text: The text and its annotation.
        given: What the annotation calls each token: a label, O, several labels (`A|B`), or "" if nothing is known.
        probabilities: Of O and of each label by token, shape (tokens, 1 + labels); they add up to 1. Labels that the
            source does not cover count as O.
    """

    text: TestText
    given: list[str]
    probabilities: NDArray[np.float32]


def read_gold(merged: Path, splits: Sequence[str] = ("train", "dev", "test")) -> list[Doc]:
    """Read the texts of gold sets from all splits of the merged corpus.

    Raises:
        Ner11Error: If there are none, or a file is damaged.
    """
    vocab = spacy.blank("en").vocab
    docs = [doc for split in splits for doc in read_docs(merged / split, vocab) if doc.user_data.get("tier") == "gold"]
    if not docs:
        raise Ner11Error("no texts of a gold set", where=merged, fix="Run convert and merge with one, such as 'gold', first")
    return docs


def deal_folds(documents: Sequence[str], folds: int, *, seed: int) -> list[int]:
    """Deal documents to folds at random.

    Args:
        documents: The document of each text.
        folds: How many; at least 2.
        seed: Of the order in which documents are dealt.

    Returns:
        The fold of each text.

    Raises:
        Ner11Error: If there are fewer documents than folds, or fewer folds than 2.
    """
    if folds < 2:
        raise Ner11Error(f"{folds}, but models need texts to learn from", where="folds", fix="Give 2 or more")
    names = sorted(set(documents))
    if len(names) < folds:
        raise Ner11Error(f"{folds}, but there are only {len(names)} documents", where="folds", fix="Give fewer folds")
    random.Random(seed).shuffle(names)
    fold_of = {name: i % folds for i, name in enumerate(names)}
    return [fold_of[document] for document in documents]


def fold_config(config_path: Path, corpus: Path, *, labels: Sequence[str], epochs: int) -> Config:
    """Change a training configuration for the corpus of a fold.

    Args:
        config_path: The project's training configuration.
        corpus: Folder with the fold's `train` and `dev`.
        labels: All labels, so that the models of all folds have the same.
        epochs: Epochs to train for.

    Returns:
        The configuration: one evaluation, at the end, so that nothing is chosen on the texts that are held out.

    Raises:
        Ner11Error: If its head gives no probabilities of tokens, or there is no epoch.
    """
    config = load_config(config_path)
    if epochs < 1:
        raise Ner11Error(f"{epochs}, but nothing is learned without one", where="epochs", fix="Give 1 or more")
    if config["components"].get(NER, {}).get("factory") != _HEAD:
        raise Ner11Error("the head gives no probabilities of tokens", where=config_path, fix="Configure with --vars.head softmax")
    config["paths"].update(train=str(corpus / "train"), dev=str(corpus / "dev"))
    config["initialize"].setdefault("components", {})[NER] = {"labels": sorted(labels)}
    settings = config.interpolate()
    made = registry.resolve({"corpus": settings["corpora"]["train"], "batcher": settings["training"]["batcher"]})
    steps = epochs * sum(1 for _ in made["batcher"](made["corpus"](spacy.blank(settings["nlp"]["lang"]))))
    training = config["training"]
    training.update(max_steps=steps, eval_frequency=steps, patience=0)
    for section in (training["optimizer"]["learn_rate"], training["logger"]):
        section.update(warmup_steps=round(steps * WARMUP_SHARE), total_steps=steps)
    return config


def class_probabilities(nlp: Language, docs: Iterable[Doc]) -> Iterator[HeldOut]:
    """Give what a pipeline thinks of the tokens of annotated documents, as a stream.

    Args:
        nlp: A trained pipeline with the softmax head.
        docs: Annotated documents; only their tokens are given to the pipeline.
    """
    ner: Any = nlp.get_pipe(NER)
    disabled = nlp.pipe_names[nlp.pipe_names.index(NER) :]
    for references in minibatch(docs, BATCH_SIZE):
        predicted = list(nlp.pipe((_without_annotation(nlp, doc) for doc in references), disable=disabled))
        lengths = [len(doc) for doc in predicted]
        # Without the temperature, which was fitted on these very texts.
        marginals = ner.model.ops.to_numpy(token_marginals(ner.model.ops.flatten(ner.predict(predicted)), lengths, ner.tags))
        by_label = marginals[:, 1:].reshape(len(marginals), -1, len(ner.labels)).sum(axis=1)
        for doc, bare, labels in zip(references, predicted, np.split(by_label, np.cumsum(lengths)[:-1]), strict=True):
            text = from_reference(doc)
            if text.coverage is not None:
                labels[:, [label not in text.coverage for label in ner.labels]] = 0
            outside = (1 - labels.sum(axis=1, keepdims=True)).clip(0)
            given = token_classes(read_annotation(Example(bare, doc)))
            yield HeldOut(text, given, np.concatenate([outside, labels], axis=1, dtype=np.float32, casting="same_kind"))


def _without_annotation(nlp: Language, doc: Doc) -> Doc:
    return Doc(nlp.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])


def hold_out(
    docs: Sequence[Doc],
    config_path: Path,
    *,
    folds: int,
    epochs: int,
    seed: int = 0,
    on_fold: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[HeldOut]]:
    """Train a model for each fold on the documents of the others, and ask it about those of its own.

    Args:
        docs: Annotated documents.
        config_path: The project's training configuration.
        folds: How many.
        epochs: Epochs of each training.
        seed: Of the deal of documents to folds.
        on_fold: Called before each training with the number of texts to train on and of those held out.

    Returns:
        The names of the classes, O and the labels, and the texts, in order.

    Raises:
        Ner11Error: If there are too few documents, the head gives no probabilities, or a training fails.
    """
    texts = name_documents([from_reference(doc) for doc in docs])
    documents = [text.document for text in texts]
    fold_of = deal_folds(documents, folds, seed=seed)
    labels = sorted({name for text in texts for *_, label in text.gold for name in label.split(SEPARATOR)} - {UNKNOWN})
    held: dict[int, HeldOut] = {}
    for fold in range(folds):
        inside = [i for i, number in enumerate(fold_of) if number == fold]
        others = [doc for doc, number in zip(docs, fold_of, strict=True) if number != fold]
        if on_fold:
            on_fold(len(others), len(inside))
        with tempfile.TemporaryDirectory() as temporary:
            corpus = Path(temporary)
            write_docs(others, corpus / "train")
            write_docs([docs[i] for i in inside], corpus / "dev")
            fold_config(config_path, corpus, labels=labels, epochs=epochs).to_disk(corpus / "config.cfg")
            try:
                train(corpus / "config.cfg", corpus / "training", device=configured_device(config_path), quiet=True)
            except Ner11Error as e:
                raise Ner11Error(e.what, where=f"fold {fold + 1} of {folds}", fix=e.fix) from e
            nlp = spacy.load(corpus / "training" / BEST)
            held.update(zip(inside, class_probabilities(nlp, (docs[i] for i in inside)), strict=True))
    for i, one in held.items():
        one.text.document = documents[i]
    return [OUTSIDE, *labels], [held[i] for i in sorted(held)]
