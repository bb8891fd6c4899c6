import os
import tarfile
import zipfile

import pytest

from ner11.errors import Ner11Error
from ner11.release.archives import BUILT, build_archives

SETUP = """
from setuptools import setup

setup(name="toy", version="1.0.0", packages=["toy"], package_data={"toy": ["data/*"]})
"""


def make_project(folder, *, mode, time):
    (folder / "toy" / "data").mkdir(parents=True)
    (folder / "setup.py").write_text(SETUP)
    (folder / "MANIFEST.in").write_text("recursive-include toy *")
    for name in ("toy/__init__.py", "toy/data/b", "toy/data/a"):
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
        os.utime(folder / name, (time, time))
    return folder


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    built = []
    for name, mode, time, mask in (("one", 0o600, 1_500_000_000, 0o077), ("two", 0o755, 1_700_000_000, 0o002)):
        monkeypatch.setenv("PYTHONHASHSEED", str(mode))
        before = os.umask(mask)
        try:
            built.append(build_archives(make_project(tmp_path / name / "toy", mode=mode, time=time), tmp_path / name / "dist"))
        finally:
            os.umask(before)
    for first, second in zip(*built, strict=True):
        assert first.name == second.name and first.read_bytes() == second.read_bytes()
    wheel, sdist = built[0]
    with zipfile.ZipFile(wheel) as archive:
        assert {"toy/data/a", "toy/data/b"} < {*archive.namelist()}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with tarfile.open(sdist) as archive:
        entries = archive.getmembers()
        assert "toy-1.0.0/toy/data/a" in archive.getnames() and sorted(archive.getnames()) == archive.getnames()
        assert {(entry.mtime, entry.uid, entry.uname) for entry in entries} == {(BUILT, 0, "")}


def test_a_failed_build_is_one_line(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "setup.py").write_text("raise SystemExit('no such thing')")
    with pytest.raises(Ner11Error, match="toy: the build failed") as error:
        build_archives(tmp_path / "toy", tmp_path / "dist")
    assert "\n" not in str(error.value)
