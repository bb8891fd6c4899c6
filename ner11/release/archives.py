"""Archives of which the same content gives the same bytes, whenever, wherever and by whom they are built."""

import gzip
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from ner11.errors import Ner11Error

BUILT = 315532800
"""Seconds since 1970 that stand for the time of every file: 1 January 1980, the first that a wheel can hold."""
_FILE, _FOLDER = 0o644, 0o755


def build_archives(project: Path, out: Path) -> tuple[Path, Path]:
    """Build the wheel and the sdist of a project.

    Args:
        project: Its folder; the rights of what is inside are set.
        out: Folder for the two files.

    Returns:
        The wheel and the sdist.

    Raises:
        Ner11Error: If the build fails.
        OSError: If the disk is full.
    """
    for path in project.rglob("*"):
        path.chmod(_FOLDER if path.is_dir() else _FILE)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(project)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(BUILT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, umask=0o777 - _FOLDER)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1]
        raise Ner11Error(f"the build failed ({last})", where=project.name, fix=f"Run it by hand: {' '.join(command[1:3])}")
    (wheel,), (sdist,) = (out.glob(pattern) for pattern in ("*.whl", "*.tar.gz"))
    return wheel, _normalize(sdist)


def _normalize(sdist: Path) -> Path:
    """Write an sdist again with sorted entries and nothing of the machine that built it: wheels know the epoch, sdists do not."""
    partial = sdist.with_name(f".{sdist.name}")
    with (
        tarfile.open(sdist) as old,
        partial.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=BUILT) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            clean = tarfile.TarInfo(entry.name)
            clean.size, clean.type, clean.mtime, clean.mode = entry.size, entry.type, BUILT, _FOLDER if entry.isdir() else _FILE
            new.addfile(clean, old.extractfile(entry) if entry.isfile() else None)
    return partial.replace(sdist)
