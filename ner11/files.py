"""Outputs that are written whole or not at all: a partial sibling first, then a rename."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly

from ner11.errors import Ner11Error


def _sibling(path: Path, state: str) -> Path:
    return path.with_name(f".{path.name}.{state}")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: The file; its folder is made if it is missing.
        text: The content, written as UTF-8.

    Raises:
        OSError: If the disk is full or the folder cannot be written; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _sibling(path, "partial")
    try:
        partial.write_text(text, encoding="utf8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Write JSON with sorted keys, whole or not at all. Raises OSError as `write_text` does."""
    write_text(path, srsly.json_dumps(data, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON that an earlier step wrote.

    Raises:
        Ner11Error: If the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError as e:
        raise Ner11Error("no such file", where=path, fix="Run the step before this one again, with --force") from e
    except (ValueError, OSError) as e:
        raise Ner11Error(f"damaged ({e})", where=path, fix="Run the step that writes it again, with --force") from e


def read_object(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON object that an earlier step wrote.

    Raises:
        Ner11Error: If the file is missing or damaged, or lacks one of the keys.
    """
    found = read_json(path)
    lacking = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacking or not isinstance(found, dict):
        what = f"no '{lacking[0]}' in it" if lacking else "no object"
        raise Ner11Error(f"damaged ({what})", where=path, fix="Run the step that writes it again, with --force")
    return found


def clear(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def restore(path: Path) -> None:
    """Put a folder back that a kill caught between the two renames of `swap_in`."""
    old = _sibling(path, "old")
    if old.exists() and not path.exists():
        old.rename(path)


def swap_in(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`; the old one is deleted only once the new one stands."""
    restore(path)
    old = _sibling(path, "old")
    clear(old)
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    clear(old)


@contextmanager
def replaced_dir(path: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `path` when the block ends without an error.

    Args:
        path: The folder to replace.

    Yields:
        The partial folder to write into. After an error it is deleted and `path` is as it was; after a kill
        the next call clears what was left and puts a folder caught between two renames back.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    restore(path)
    partial = _sibling(path, "partial")
    clear(partial)
    partial.mkdir()
    try:
        yield partial
        swap_in(partial, path)
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_folder(folder: Path) -> str:
    """Give the SHA-256 of a folder: of the names and contents of its files, sorted by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{path.relative_to(folder).as_posix()}\0{hash_file(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
