"""One public data set as the corpus folder of a project, in the labels of the data set itself."""

from itertools import islice
from pathlib import Path

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ner11.corpus.convert import make_tokenizer, read_split
from ner11.corpus.docs import TaggedDoc, tag_text, to_rows
from ner11.corpus.shards import read_docs, shard_path
from ner11.datasets import Dataset, Split
from ner11.ledger import Ledger

CORPUS = Path("corpus") / "merged"
DEV_TEXTS = 20


def _read(dataset: Dataset, split: Split, *, root: Path, limit: int) -> list[TaggedDoc]:
    texts = list(islice(read_split(dataset, split, root=root), limit or None))
    # Everything is covered: what no span holds is O to every system, whether it knows partial annotation or not.
    labels = frozenset(span.origin for text in texts for span in text.spans)
    ledger, tokenizer = Ledger(), make_tokenizer()
    docs: list[TaggedDoc] = []
    for text in texts:
        text.source, text.coverage = dataset.name, labels
        for span in text.spans:
            if span.outcome != "unknown":
                span.labels = frozenset([span.origin])
        longest = len(text.text)  # in tokens: no text is split
        docs += tag_text(text, split=split, make_doc=tokenizer, max_tokens=longest, long_texts="split", ledger=ledger)
    return docs


def write_corpus(dataset: Dataset, folder: Path, *, root: Path, limit: int) -> None:
    """Write a data set as `corpus/merged/{train,dev,test}`, which spaCy's corpus reader and ner11's read alike.

    The official splits stay as they are, duplicates and leaks too. Nothing is chosen on dev: it is a few training texts with
    entities, because training does not end without an evaluation that finds something.

    Args:
        dataset: The data set.
        folder: Folder of the project to make.
        root: Folder that the data set's path is relative to.
        limit: Texts of train and of test; 0 takes all.
    """
    train, test = (_read(dataset, split, root=root, limit=limit) for split in ("train", "test"))
    dev = [doc for doc in train if doc.entities][:DEV_TEXTS]
    for split, docs in (("train", train), ("dev", dev), ("test", test)):
        path = shard_path(folder / CORPUS / split, 0)
        path.parent.mkdir(parents=True)
        to_rows(docs).write(path)


def read_split_docs(folder: Path, split: Split, vocab: Vocab) -> list[Doc]:
    """Read the documents of a split that `write_corpus` wrote."""
    return list(read_docs(folder / CORPUS / split, vocab))
