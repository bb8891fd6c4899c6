"""Merge converted data sets into one corpus without leaks between the splits."""

from common import ROOT, Quiet, command

# isort: split
from typing import Annotated

import spacy
import typer
from wasabi import Printer

from ner11.corpus.merge import MergeResult, merge
from ner11.errors import Ner11Error
from ner11.files import read_json, replaced_dir, write_json
from ner11.ledger import by_outcome


def _removed(result: MergeResult) -> list[dict[str, str | int]]:
    return [
        {"split": key[0], "source": key[1], "reason": key[2], "texts": texts, "spans": result.removed_spans[key]}
        for key, texts in sorted(result.removed.items())
    ]


@command
def main(
    seed: Annotated[int, typer.Option(help="Seed of the order of the texts in train and dev.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write corpus/merged (train, dev, test and ledger.json) from corpus/converted."""
    msg = Printer(no_print=quiet)
    corpus = ROOT / "corpus"
    converted = corpus / "converted"
    folders = sorted(path for path in converted.glob("*") if path.is_dir())
    if not folders:
        raise Ner11Error("nothing converted", where=converted, fix="Run 'spacy project run convert' first")
    read = read_json(converted / "ledger.json")
    with replaced_dir(corpus / "merged") as out:
        result = merge(folders, out, vocab=spacy.blank("en").vocab, seed=seed)
        ledger = {
            **read,
            "outcomes": by_outcome(read["spans"]),
            "removed": _removed(result),
            "texts_kept": [{"split": key[0], "source": key[1], "count": count} for key, count in sorted(result.texts.items())],
            "spans_kept": [
                {"split": key[0], "source": key[1], "label": key[2], "count": count}
                for key, count in sorted(result.spans.items())
            ],
        }
        write_json(out / "ledger.json", ledger)
    for row in ledger["removed"]:
        msg.info(f"{row['source']}: {row['texts']} texts ({row['spans']} spans) left {row['split']}: {row['reason']}")
    sources = sorted({source for _, source in result.texts})
    table = [(source, *(result.texts[split, source] for split in ("train", "dev", "test"))) for source in sources]
    msg.table(table, header=("texts", "train", "dev", "test"), divider=True, aligns=("l", "r", "r", "r"))


if __name__ == "__main__":
    typer.run(main)
