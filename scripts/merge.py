"""Merge converted data sets into one corpus without leaks between the splits."""

from common import ROOT, Quiet, command

# isort: split
from collections import Counter
from typing import Annotated, Any

import srsly
import typer
from wasabi import Printer

from ner11.corpus.merge import MergeResult, merge
from ner11.errors import Ner11Error
from ner11.files import read_json, replaced_dir, write_json, write_text
from ner11.ledger import Ledger


def _rows(result: MergeResult) -> dict[str, list[dict[str, Any]]]:
    """Give what merging counted as lists of flat records, for JSON."""
    return {
        "leaks": [
            {"test": test, "source": source, "split": split, "same": same, "nearly": nearly, "sentence": sentence}
            for (test, source, split), (same, nearly, sentence) in result.leaks.items()
        ],
        "removed": [
            {"split": split, "source": source, "outcome": outcome, "reason": reason, "texts": texts}
            for (split, source, outcome, reason), texts in sorted(result.removed.items())
        ],
        "texts_kept": [
            {"split": split, "source": source, "count": count} for (split, source), count in sorted(result.texts.items())
        ],
        "spans_kept": [
            {"split": split, "source": source, "label": label, "count": count}
            for (split, source, label), count in sorted(result.spans.items())
        ],
    }


@command
def main(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order of the texts in train and dev.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write corpus/merged (train, dev, test, ledger.json and conflicts.jsonl) from corpus/converted."""
    msg = Printer(no_print=quiet)
    corpus = ROOT / "corpus"
    converted = corpus / "converted"
    folders = sorted(path for path in converted.glob("*") if path.is_dir())
    if not folders:
        raise Ner11Error("nothing converted", where=converted, fix="Run 'spacy project run convert' first")
    ledger = Ledger.from_rows(read_json(converted / "ledger.json"))
    with replaced_dir(corpus / "merged") as out:
        result = merge(folders, out, seed=seed, ledger=ledger)
        rows = _rows(result)
        write_json(out / "ledger.json", {**ledger.to_rows(), **rows, "conflicts": len(result.conflicts)})
        write_text(out / "conflicts.jsonl", "".join(f"{srsly.json_dumps(one)}\n" for one in result.conflicts))
    tests = {row["source"]: row["count"] for row in rows["texts_kept"] if row["split"] == "test"}
    leaks = sorted(rows["leaks"], key=lambda row: -row["same"] - row["nearly"] - row["sentence"])
    msg.table(
        [
            (row["test"], tests[row["test"]], f"{row['split']} of {row['source']}", row["same"], row["nearly"], row["sentence"])
            for row in leaks
        ],
        header=("leaks: test of", "texts", "are also in", "same", "nearly", "by a sentence"),
        divider=True,
        aligns=("l", "r", "l", "r", "r", "r"),
    )
    merged: Counter[tuple[str, str]] = Counter()
    for row in rows["removed"]:
        if row["outcome"] == "merged":
            merged[row["source"], row["reason"]] += row["texts"]
    msg.table(
        [(source, reason, count) for (source, reason), count in sorted(merged.items())],
        header=("merged", "because", "texts"),
        divider=True,
        aligns=("l", "l", "r"),
    )
    if result.conflicts:
        msg.info(f"{len(result.conflicts)} conflicts between annotations of the same text: corpus/merged/conflicts.jsonl")
    sources = sorted({source for _, source in result.texts})
    table = [(source, *(result.texts[split, source] for split in ("train", "dev", "test"))) for source in sources]
    msg.table(table, header=("texts", "train", "dev", "test"), divider=True, aligns=("l", "r", "r", "r"))


if __name__ == "__main__":
    typer.run(main)
