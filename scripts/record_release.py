"""Make the packages that were built and checked last a release."""

from common import ROOT, Quiet, command

# isort: split
from datetime import UTC, datetime

import typer
from check_package import built_packages
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.evaluation.predictions import record_release
from ner11.files import hash_file, read_object, write_text
from ner11.release.package import FAILED_GATES, check_version
from ner11.release.publication import CHECKSUMS, date_changelog, update_checksums

PACKAGES, TRAINING = ROOT / "packages", ROOT / "training"


@command
def main(quiet: Quiet = False) -> None:
    """Write packages/SHA256SUMS, packages/releases.json and the entry in CHANGELOG.md."""
    msg = Printer(no_print=quiet)
    packages = built_packages()
    first = packages[0]
    if check_version(first.version).is_devrelease:
        fix = "Give a version of three numbers with --vars.version, and run the workflow 'release'"
        raise Ner11Error(f"{first.version} is a version for development", where="version", fix=fix)
    if first.name.endswith(FAILED_GATES):
        raise Ner11Error("its gates have failed", where=first.name, fix="Release a model that passes them")
    where = TRAINING / "check-package.json"
    checked = [row.get("sha256") for row in read_object(where, "packages")["packages"]]
    if checked != [hash_file(package.wheel) for package in packages]:
        what = "about other packages than those that were built"
        raise Ner11Error(what, where=where, fix="Run 'spacy project run check-package' first")
    predictions = PACKAGES / f"{first.name}-{first.version}.predictions.jsonl"
    if not predictions.is_file():
        raise Ner11Error("no such file", where=predictions, fix="Run 'spacy project run package' again, with --force")
    now = datetime.now(tz=UTC)
    path = ROOT / "CHANGELOG.md"
    changelog = date_changelog(path.read_text(encoding="utf8"), version=first.version, date=f"{now:%Y-%m-%d}")
    record_release(
        PACKAGES,
        name=first.name,
        version=first.version,
        wheel_sha256=hash_file(first.wheel),
        predictions_sha256=hash_file(predictions),
        date=now.isoformat(timespec="seconds"),
    )
    update_checksums(PACKAGES, [*(file for package in packages for file in (package.wheel, package.sdist)), predictions])
    write_text(path, changelog)
    msg.good(f"Released {first.name} {first.version}: packages/releases.json, packages/{CHECKSUMS} and CHANGELOG.md")
    msg.info(f"Commit these, and {predictions.as_posix()}: what it found is what the next release is compared with")


if __name__ == "__main__":
    typer.run(main)
