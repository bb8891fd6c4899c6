"""The files of a folder that may be annotated, in groups that look alike, and the split that a name stands for."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ner11.datasets import Split
from ner11.errors import Ner11Error

SAMPLED = 3
"""Files of a group that are looked into."""
_PROSE = re.compile(r"(readme|licen[sc]e|notes?|source|changelog|contributing|citation|requirements)\b", re.I)
_NO_DATA = frozenset([".py", ".sh", ".cfg", ".yml", ".yaml", ".toml", ".pdf", ".html", ".ipynb", ".rst", ".bib", ".png", ".jpg"])
_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "devset", "valid", "validation", "validate", "val", "trial", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "testset", "eval", "evaluation", "testb"), "test"),
}
_WORD = re.compile(r"[a-z]+")
_TAIL = re.compile(r"(?<=[A-Z])(train|dev|valid|test)$")


@dataclass(frozen=True)
class Group:
    """Files of one folder with one suffix."""

    folder: Path
    suffix: str
    files: tuple[Path, ...]

    @property
    def sample(self) -> list[Path]:
        """The first, the middle and the largest file."""
        picked = [self.files[0], self.files[len(self.files) // 2], max(self.files, key=lambda file: file.stat().st_size)]
        return list(dict.fromkeys(picked))[:SAMPLED]


def find_groups(path: Path) -> list[Group]:
    """Find the files below a folder that may be data, or take the one file.

    Raises:
        Ner11Error: If there is nothing, or nothing but empty files.
    """
    if not path.exists():
        raise Ner11Error("no such file or folder", where=path, fix="Give the path of a data set")
    found: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        prose = file != path and (_PROSE.match(file.name) or file.suffix.lower() in _NO_DATA)
        if not hidden and not prose and file.is_file() and file.stat().st_size:
            found[file.parent, file.suffix.lower()].append(file)
    if not found:
        what = "an empty file" if path.is_file() else "no files with anything in them"
        raise Ner11Error(what, where=path, fix="Give the path of a data set")
    return [Group(folder, suffix, tuple(files)) for (folder, suffix), files in found.items()]


def split_of(path: Path, top: Path) -> Split | None:
    """Give the split that the name of a file stands for, or else that of the nearest folder below `top`."""
    names = [path.stem, *(folder.name for folder in path.parents if folder != top and folder.is_relative_to(top))]
    for name in names:
        words = _WORD.findall(name.lower())
        found = {_WORDS[word] for word in words if word in _WORDS}
        if not found and (tail := _TAIL.search(name)):
            found = {_WORDS[tail[1]]}
        if len(found) == 1:
            return found.pop()
    return None
