"""What makes a package a release: checksums beside it, its entry in the changelog, and its record for the next one."""

import re
from collections.abc import Iterable
from pathlib import Path

from ner11.errors import Ner11Error
from ner11.files import hash_file, write_text

CHECKSUMS = "SHA256SUMS"
"""File with the checksums of released files, as `sha256sum --check` reads it."""
_UNRELEASED = "## [Unreleased]"


def read_checksums(packages: Path) -> dict[str, str]:
    """Read the SHA-256 of every file that was released, by its name; the files themselves need not be there."""
    path = packages / CHECKSUMS
    lines = path.read_text(encoding="utf8").splitlines() if path.is_file() else []
    return {name: value for value, _, name in (line.partition("  ") for line in lines)}


def update_checksums(packages: Path, files: Iterable[Path]) -> None:
    """Write the checksums of files into `SHA256SUMS`; lines about other files stay.

    Args:
        packages: Folder of the packages.
        files: Files in it.

    Raises:
        Ner11Error: If one was released with other content.
        OSError: If it cannot be written; the old one is untouched.
    """
    sums = read_checksums(packages)
    for file in files:
        value = hash_file(file)
        if sums.setdefault(file.name, value) != value:
            what = f"{file.name} was released with other content"
            raise Ner11Error(what, where=packages / CHECKSUMS, fix="Give a new version with --vars.version")
    write_text(packages / CHECKSUMS, "".join(f"{value}  {name}\n" for name, value in sorted(sums.items())))


def date_changelog(text: str, *, version: str, date: str) -> str:
    """Move what is unreleased in a changelog (keepachangelog.com) under a version.

    Args:
        text: The changelog.
        version: The version that is released.
        date: Of the release, as YYYY-MM-DD.

    Returns:
        The changelog with an empty section for what comes next; the same text if the version has its section already.

    Raises:
        Ner11Error: If there is no section of unreleased changes, or nothing in it.
    """
    heading = f"## [{version}]"
    if re.search(rf"^{re.escape(heading)}", text, flags=re.MULTILINE):
        return text
    before, found, rest = text.partition(f"{_UNRELEASED}\n")
    if not found:
        raise Ner11Error(f"no section '{_UNRELEASED}'", where="CHANGELOG.md", fix="Put it above the versions")
    changes = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not changes.strip():
        raise Ner11Error(
            "nothing is said about this version", where="CHANGELOG.md", fix=f"Write what changed below '{_UNRELEASED}'"
        )
    return f"{before}{_UNRELEASED}\n\n{heading} - {date}\n{rest}"
