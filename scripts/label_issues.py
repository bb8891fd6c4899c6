"""List suspected errors of the gold annotation, for a second look."""

from common import ROOT, Quiet, command

# isort: split
from typing import Annotated

import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.evaluation.label_issues import Suspicion, find_suspicions, to_tasks
from ner11.evaluation.out_of_fold import hold_out, read_gold
from ner11.evaluation.texts import TestText
from ner11.files import write_json

SHOWN = 20
"""Suspicions in the printed table."""
HEADER = ("quality", "kind", "given", "suggested", "document", "text")
_AROUND = 20


def _cells(text: TestText, found: Suspicion) -> tuple[str, ...]:
    spans = [f"{text.text[key[0] : key[1]]} ({key[2]})" if key else "–" for key in (found.given, found.suggested)]
    around = text.text[max(0, found.start - _AROUND) : found.end + _AROUND]
    cells = (percent(found.quality), found.kind, *spans, text.document, around)
    return tuple(" ".join(cell.split()) for cell in cells)


@command
def main(
    folds: Annotated[int, typer.Option(help="Parts of the texts; for each, a model is trained on the others.")] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of each training.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the deal of documents to folds.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write training/report/label_issues.json, which Label Studio imports, from the gold texts of all splits."""
    msg = Printer(no_print=quiet)
    config = ROOT / "training" / "config.cfg"
    if not config.is_file():
        raise Ner11Error("no such file", where=config, fix="Run 'spacy project run configure' first")
    docs = read_gold(ROOT / "corpus" / "merged")
    classes, held = hold_out(
        docs,
        config,
        folds=folds,
        epochs=epochs,
        seed=seed,
        on_fold=lambda others, inside: msg.info(f"Training on {others} texts, {inside} are held out"),
    )
    suspicions = find_suspicions(held, classes)
    path = ROOT / "training" / "report" / "label_issues.json"
    write_json(path, to_tasks(held, suspicions))
    found = [(one.text, suspicion) for one, own in zip(held, suspicions, strict=True) for suspicion in own]
    found.sort(key=lambda pair: pair[1].quality)
    if found:
        rows = [_cells(text, suspicion) for text, suspicion in found[:SHOWN]]
        msg.table(rows, header=HEADER, divider=True, max_col=40, aligns=("r", *"l" * 5))
    texts = sum(bool(own) for own in suspicions)
    msg.good(f"Wrote {path}: {len(found)} suspected errors in {texts} of {len(held)} texts, the worst first")


if __name__ == "__main__":
    typer.run(main)
