"""Install the wheel into a new environment and compare it with the trained pipeline."""

from common import ROOT, Domain, Quiet, command

# isort: split
from itertools import islice
from typing import Annotated

import spacy
import typer
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.files import write_json
from ner11.release.check import check_package

TEST_TEXTS = 100
ODD_TEXTS = ["", " \n\t ", "🙂", "a", "CVE-2021-44228 " * 200, "0123456789abcdef" * 100]


@command
def main(
    domain: Domain = "cyber",
    version: Annotated[str, typer.Option(help="Version of the package.")] = "0.0.0",
    quiet: Quiet = False,
) -> None:
    """Write training/check-package.json, or fail."""
    msg = Printer(no_print=quiet)
    wheel = ROOT / "packages" / f"en_ner11_{domain}-{version}-py3-none-any.whl"
    if not wheel.is_file():
        raise Ner11Error("no such wheel", where=wheel, fix="Run 'spacy project run package' first")
    docs = read_docs(ROOT / "corpus" / "merged" / "test", spacy.blank("en").vocab)
    texts = [doc.text for doc in islice(docs, TEST_TEXTS)] + ODD_TEXTS
    msg.info("Installing the wheel into a new environment; this takes a minute")
    result = check_package(wheel, ROOT / "training" / "model-best", texts=texts, constraints=ROOT / "requirements.txt")
    write_json(ROOT / "training" / "check-package.json", result)
    msg.good(
        f"{result['package']} {result['version']} installs, loads and finds the same {result['entities']} entities in "
        f"{result['texts']} texts as training/model-best"
    )


if __name__ == "__main__":
    typer.run(main)
