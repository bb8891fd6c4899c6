"""Install the wheel into a new environment and compare it with the trained pipeline."""

from common import ROOT, Quiet, command

# isort: split
import hashlib
from itertools import islice
from pathlib import Path

import spacy
import typer
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.files import read_json, write_json
from ner11.release.check import check_package

TRAINING = ROOT / "training"
TEST_TEXTS = 100
ODD_TEXTS = ["", " \n\t ", "🙂", "a", "CVE-2021-44228 " * 200, "0123456789abcdef" * 100]


def built_wheel() -> Path:
    """Give the wheel that was built last."""
    record = TRAINING / "package.json"
    if not record.is_file():
        raise Ner11Error("no package was built", where=record, fix="Run 'spacy project run package' first")
    package = read_json(record)
    wheel = ROOT / package["wheel"]
    again = "Run 'spacy project run package' again, with --force"
    if not wheel.is_file():
        raise Ner11Error("no such wheel", where=wheel, fix=again)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != package["sha256"]:
        raise Ner11Error(f"not the wheel that {record} is about", where=wheel, fix=again)
    return wheel


@command
def main(quiet: Quiet = False) -> None:
    """Write training/check-package.json, or fail."""
    msg = Printer(no_print=quiet)
    wheel = built_wheel()
    docs = read_docs(ROOT / "corpus" / "merged" / "test", spacy.blank("en").vocab)
    texts = [doc.text for doc in islice(docs, TEST_TEXTS)] + ODD_TEXTS
    msg.info("Installing the wheel into a new environment; this takes a minute")
    result = check_package(wheel, TRAINING / "model-best", texts=texts, constraints=ROOT / "requirements.txt")
    write_json(TRAINING / "check-package.json", result)
    msg.good(
        f"{result['package']} {result['version']} installs, loads and finds the same {result['entities']} entities in "
        f"{result['texts']} texts as training/model-best"
    )


if __name__ == "__main__":
    typer.run(main)
