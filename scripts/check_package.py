"""Install the packages into new environments and compare them with the pipelines that they were built from."""

from common import ROOT, Quiet, command, one_line

# isort: split
import sys
from itertools import islice
from pathlib import Path

import spacy
import typer
from wasabi import Printer

from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.files import clear, hash_file, read_object, write_json
from ner11.release.check import check_packages
from ner11.release.package import Package

TRAINING = ROOT / "training"
TEST_TEXTS = 100


def built_packages() -> list[Package]:
    """Give the packages that were built last."""
    record = TRAINING / "package.json"
    if not record.is_file():
        raise Ner11Error("no package was built", where=record, fix="Run 'spacy project run package' first")
    again = "Run 'spacy project run package' again, with --force"
    packages = []
    for row in read_object(record, "packages")["packages"]:
        wheel = ROOT / row["wheel"]
        if not wheel.is_file():
            raise Ner11Error("no such wheel", where=wheel, fix=again)
        if hash_file(wheel) != row["sha256"]:
            raise Ner11Error(f"not the wheel that {record} is about", where=wheel, fix=again)
        paths = {key: ROOT / Path(row[key]) for key in ("model", "wheel", "sdist")}
        packages.append(Package(row["name"], row["version"], **paths))
    return packages


@command
def main(quiet: Quiet = False) -> None:
    """Write training/check-package.json, or fail."""
    msg = Printer(no_print=quiet)
    packages = built_packages()
    docs = read_docs(ROOT / "corpus" / "merged" / "test", spacy.blank("en").vocab)
    texts = [doc.text for doc in islice(docs, TEST_TEXTS)]
    result, failures = check_packages(packages, texts=texts, constraints=ROOT / "requirements.txt", tell=msg.info)
    if failures:
        clear(TRAINING / "check-package.json")  # of an earlier check: it is not true any more
        for failure in failures:
            print(one_line(failure), file=sys.stderr)
        raise Ner11Error(
            f"{len(failures)} checks of the packages failed", where=TRAINING / "package.json", fix="See above; then package again"
        )
    write_json(TRAINING / "check-package.json", result)
    for row, package in zip(result["packages"], packages, strict=True):
        size = f"{row['installed_bytes'] / 2**20:.0f} MiB with what it requires"
        found = f"the same {row['entities']} entities in {row['texts']} texts as {package.model}"
        msg.good(f"{row['name']} {row['version']} installs ({size}), loads and finds {found}")
    for row in result.get("agreement", ()):
        msg.info(f"{' and '.join(row['packages'])} both find {percent(row['share'])}% of all entities that one of them finds")


if __name__ == "__main__":
    typer.run(main)
