import subprocess

import pytest

from ner11.errors import Ner11Error
from ner11.release.publication import date_changelog, update_checksums

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- This.

## [0.1.0] - 2026-01-01

- That.
"""


def test_checksums_are_those_that_sha256sum_checks(tmp_path):
    for name in ("a.whl", "b.whl", "a.whl"):
        (tmp_path / name).write_text(name)
        update_checksums(tmp_path, [tmp_path / name])
    assert (tmp_path / "SHA256SUMS").read_text().count("\n") == 2
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, capture_output=True).returncode == 0


def test_a_released_file_keeps_its_checksum(tmp_path):
    (tmp_path / "a.whl").write_text("one")
    update_checksums(tmp_path, [tmp_path / "a.whl"])
    before = (tmp_path / "SHA256SUMS").read_text()
    (tmp_path / "a.whl").write_text("another")
    with pytest.raises(Ner11Error, match=r"SHA256SUMS: a\.whl was released with other content.*--vars\.version"):
        update_checksums(tmp_path, [tmp_path / "a.whl"])
    assert (tmp_path / "SHA256SUMS").read_text() == before


def test_what_is_unreleased_gets_its_version_and_date():
    text = date_changelog(CHANGELOG, version="0.2.0", date="2026-02-03")
    assert text.startswith("# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n### Added\n\n- This.\n\n## [0.1.0]")
    assert date_changelog(text, version="0.2.0", date="2026-02-04") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHANGELOG.replace("### Added\n\n- This.\n\n", ""), "nothing is said about this version"),
        ("# Changelog\n", "no section"),
    ],
)
def test_a_release_that_nobody_described_is_refused(text, message):
    with pytest.raises(Ner11Error, match=message):
        date_changelog(text, version="0.2.0", date="2026-02-03")
