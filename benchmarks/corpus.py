"""Sum up what became of the data sets of a domain, for docs/datasets.md.

Run it after `spacy project run convert-full`, `merge` and, where there are gazetteers, `gazetteer`, from the project's folder:
python benchmarks/corpus.py [--domain cyber]. It puts the domain's sums into benchmarks/results/corpus.json.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import srsly
import typer

from ner11.files import read_json, write_json

RESULTS = Path("benchmarks/results/corpus.json")


def main(domain: Annotated[str, typer.Option(help="Domain of the corpus.")] = "cyber") -> None:
    """Write the sums of one domain."""
    ledger = read_json(Path("corpus/merged/ledger.json"))
    spans: dict[str, Counter[str]] = {}
    texts: dict[str, Counter[str]] = {}
    for sums, rows in ((spans, ledger["spans"]), (texts, ledger["texts"])):
        for row in rows:
            sums.setdefault(row["source"], Counter())[row["outcome"]] += row["count"]
    names = Path("corpus/gazetteer/summary.json")
    found = {
        "spans": spans,
        "texts": texts,
        "leaks": ledger["leaks"],
        "conflicts": ledger["conflicts"],
        "precision": read_json(names)["precision"] if domain == "cyber" and names.is_file() else [],
    }
    before = srsly.read_json(RESULTS) if RESULTS.is_file() else {}
    write_json(RESULTS, {**before, domain: found})


if __name__ == "__main__":
    typer.run(main)
