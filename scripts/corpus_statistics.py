"""Print what the merged corpus is like, and write it for the report."""

from common import ROOT, Quiet, command

# isort: split
import spacy
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.shards import list_shards, read_docs
from ner11.corpus.statistics import SAMPLE, PieceCounter, SplitStatistics, collect, summarize
from ner11.datasets import SPLITS
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.files import read_json, write_json
from ner11.training.encoder import Encoder, piece_counter


def _piece_counter() -> PieceCounter | None:
    """Count by the tokenizer of the chosen encoder, if there is one."""
    selected = ROOT / "assets" / "encoders" / "selected.json"
    count = piece_counter(Encoder(**read_json(selected))) if selected.is_file() else None
    return (lambda docs: count([doc.text for doc in docs])) if count else None


@command
def main(quiet: Quiet = False) -> None:
    """Write corpus/statistics.json from corpus/merged."""
    msg = Printer(no_print=quiet)
    merged = ROOT / "corpus" / "merged"
    sizes = dict.fromkeys(SPLITS, 0)
    for row in read_json(merged / "ledger.json")["texts_kept"]:
        sizes[row["split"]] += row["count"]
    vocab, count_pieces = spacy.Vocab(), _piece_counter()
    counts: dict[str, SplitStatistics] = {}
    for split, size in sizes.items():
        if not list_shards(merged / split):
            raise Ner11Error("no corpus", where=merged / split, fix="Run 'spacy project run merge' first")
        docs = tqdm(read_docs(merged / split, vocab), total=size, desc=split, disable=True if quiet else None, leave=False)
        counts[split] = collect(docs, every=-(-size // SAMPLE), count_pieces=count_pieces)
    summary = summarize(counts)
    write_json(ROOT / "corpus" / "statistics.json", summary)
    for split, part in summary.items():
        rows = [
            (label, row["spans"], row["surfaces"], row["ambiguous"], percent(row["share"]), percent(row.get("unseen")))
            for label, row in part["labels"].items()
        ]
        header = (split, "spans", "surfaces", "ambiguous", "share", "unseen")
        msg.table(rows, header=header, divider=True, aligns=("l", *"r" * 5))
        lengths = ", ".join(f"{name} {value}" for name, value in part["length_in_tokens"].items())
        pieces = ", ".join(f"{name} {value}" for name, value in part["length_in_pieces"].items())
        msg.info(
            f"{part['texts']} texts, {part['tokens']} tokens; tokens a text: {lengths}; word pieces: {pieces or 'not counted'}"
        )
    msg.good("Wrote corpus/statistics.json")


if __name__ == "__main__":
    typer.run(main)
