"""A Triton model repository: two models of one package, each version in a folder of its own that appears whole or not at all.

The model `NAME` takes texts and gives entities (Python backend); `NAME_graph` takes word pieces and gives logits (ONNX Runtime
backend). Which versions are served stands in the model's `config.pbtxt` alone, so that a server that starts again serves what
was last deployed, and not what was last written.
"""

import filecmp
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ner11.errors import Ner11Error
from ner11.files import hash_file, read_json, read_object, write_json, write_text
from ner11.pipeline.onnx_ner import MODEL
from ner11.release.contract import FILE, Contract
from ner11.release.package import ONNX

GRAPH = "_graph"
"""What the name of the model that gives logits ends with."""
CONFIG = "config.pbtxt"
_DEPLOYED = "deployed.json"
_GRAPH_FILE = f"ner/{MODEL}"  # in the folder of a pipeline
_PARTIAL = ".partial-"
_OTHER_WHEEL = "Give a wheel that 'spacy project run package' wrote after 'export'"
_TYPES = {"int64": "TYPE_INT64", "float32": "TYPE_FP32"}
_POLICY = re.compile(r"^[ \t]*version_policy\s*\{\s*specific\s*\{\s*versions:\s*\[([\d\s,]*)\]\s*\}\s*\}", re.MULTILINE)
_NAME = re.compile(r'^name:\s*"[^"]*"', re.MULTILINE)
_TEMPLATES = Environment(
    loader=PackageLoader("ner11.release", "templates/triton"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

_PACKAGE = re.compile(r"[a-z][a-z0-9_]*")

Tensors = dict[str, tuple[str, list[int]]]
"""Name of a tensor: its type in a configuration, and its dimensions without that of the batch; -1 is any."""


def interface(contract: Contract, *, graph: bool) -> tuple[Tensors, Tensors]:
    """Give the inputs and the outputs of a model.

    Args:
        contract: As in `contract.json`.
        graph: Of the model that gives logits.
    """
    if not graph:
        return {"TEXT": ("TYPE_STRING", [1])}, {"ENTITIES": ("TYPE_STRING", [1]), "MODEL": ("TYPE_STRING", [1])}
    if contract["graph"] is None:
        raise ValueError(f"the contract of {contract['name']} has no graph")
    inputs, outputs = (
        {name: (_TYPES[dtype], dims[1:]) for name, (dtype, dims) in contract["graph"][side].items()}
        for side in ("inputs", "outputs")
    )
    return inputs, outputs


def served_versions(config: str) -> list[int] | None:
    """Give the versions that a configuration serves, the last one to clients that name none; None if it does not say."""
    found = _POLICY.search(config)
    return [int(number) for number in found[1].split(",") if number.strip()] if found else None


def serving(config: str, versions: Sequence[int], *, name: str | None = None) -> str:
    """Give a configuration that serves other versions, and perhaps under another name."""
    policy = f"version_policy {{ specific {{ versions: [ {', '.join(map(str, versions))} ] }} }}"
    config = _POLICY.sub(policy, config, count=1)
    return config if name is None else _NAME.sub(f'name: "{name}"', config, count=1)


@dataclass(frozen=True)
class TritonModel:
    """A model in a Triton model repository.

    Attributes:
        folder: Its folder; the name of it is the model's.
    """

    folder: Path

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.folder.name

    @property
    def is_graph(self) -> bool:
        """Whether it takes word pieces and gives logits."""
        return self.name.endswith(GRAPH)

    @property
    def versions(self) -> list[int]:
        """The versions that are there, in their order."""
        numbers = [path.name for path in self.folder.iterdir() if path.is_dir()] if self.folder.is_dir() else []
        return sorted(int(name) for name in numbers if name.isdecimal())

    @property
    def newest(self) -> int:
        """The newest version.

        Raises:
            Ner11Error: If there is none.
        """
        if not self.versions:
            raise Ner11Error("no version of this model", where=self.folder, fix="Write a release first")
        return self.versions[-1]

    @property
    def config(self) -> str:
        """Its configuration.

        Raises:
            Ner11Error: If there is none, or it does not say which versions are served.
        """
        path = self.folder / CONFIG
        if not path.is_file():
            there = ", ".join(sorted(found.parent.name for found in self.folder.parent.glob(f"*/{CONFIG}"))) or "none"
            fix = "Write a release first, or name another model with --model"
            raise Ner11Error(f"no such model; there are: {there}", where=self.folder, fix=fix)
        text = path.read_text(encoding="utf8")
        if served_versions(text) is None:
            line = "version_policy { specific { versions: [ 1 ] } }"
            raise Ner11Error("does not say which versions are served", where=path, fix=f"Give it one line like '{line}'")
        return text

    @property
    def served(self) -> list[int]:
        """The versions that its configuration serves, the last one to clients that name none."""
        return served_versions(self.config) or []

    @property
    def current(self) -> int:
        """The version that its configuration serves to clients that name none.

        Raises:
            Ner11Error: If it serves none.
        """
        if not self.served:
            raise Ner11Error("serves no version", where=self.folder / CONFIG, fix="Deploy one")
        return self.served[-1]

    @property
    def deployed(self) -> list[int]:
        """The versions that were deployed and not rolled back, in the order in which they were; the last is the one served.

        The configuration decides where a command was killed before it could record what it did, or somebody edited it.
        """
        path = self.folder / _DEPLOYED
        history = list(read_object(path, "versions")["versions"]) if path.is_file() else self.served
        for current in self.served[-1:]:
            return [*history[: history.index(current)], current] if current in history else [*history, current]
        return history

    def record(self, versions: Sequence[int]) -> None:
        """Write down which versions were deployed."""
        write_json(self.folder / _DEPLOYED, {"versions": list(versions)})

    def version(self, number: int) -> Path:
        """Give the folder of a version.

        Raises:
            Ner11Error: If it is not there.
        """
        folder = self.folder / str(number)
        if not folder.is_dir():
            known = ", ".join(map(str, self.versions)) or "none"
            raise Ner11Error(f"no such version; there are: {known}", where=folder, fix="Name one of them, or write it first")
        return folder

    def contract(self, number: int) -> Contract:
        """Read what a version promises."""
        return read_json(self.version(number) / FILE)

    def check(self, number: int) -> None:
        """Check that a version's files are those of its contract.

        Raises:
            Ner11Error: If one is missing or another.
        """
        files = self.contract(number)["files"]
        folder = self.version(number) if self.is_graph else self.pipeline(number)
        expected = {MODEL: files[_GRAPH_FILE]} if self.is_graph else files
        for name, digest in expected.items():
            path = folder / name
            if not path.is_file() or hash_file(path) != digest:
                raise Ner11Error(
                    "not the file that the contract is about", where=path, fix="Delete this version and write it again"
                )

    def pipeline(self, number: int) -> Path:
        """Give the folder of the pipeline in a version that takes texts."""
        contract = self.contract(number)
        return self.version(number) / contract["name"] / f"{contract['name']}-{contract['version']}"

    def reader(self, number: int) -> Path | None:
        """Give the pipeline that reads the logits of a version: that of the same release in the model for texts.

        Returns:
            Its folder; None for a model that takes texts.

        Raises:
            Ner11Error: If there is none.
        """
        if not self.is_graph:
            return None
        texts = TritonModel(self.folder.with_name(self.name.removesuffix(GRAPH)))
        contract = self.contract(number)
        for version in reversed(texts.versions):
            if texts.contract(version) == contract:
                return texts.pipeline(version)
        raise Ner11Error(
            f"has no version of the same release as {self.name} {number}; its tokenizer is needed to read logits",
            where=texts.folder,
            fix="Write the release again",
        )

    def config_for(self, number: int) -> tuple[str, bool]:
        """Give the configuration that a version needs.

        Returns:
            The present one, with all that was changed by hand, and True; or that of the version and False, where it was
            written with another one than the version that is served.
        """
        needed = (self.version(number) / CONFIG).read_text(encoding="utf8")
        present = self.config
        before = [self.folder / str(version) / CONFIG for version in self.served[-1:]]
        same = any(path.is_file() and path.read_text(encoding="utf8") == needed for path in before)
        return (present, True) if same else (needed, False)


def read_contract(wheel: Path) -> Contract:
    """Read the contract in a package without torch.

    Raises:
        Ner11Error: If the wheel is none.
    """
    name, version, *_ = [*wheel.name.split("-"), ""]
    try:
        with zipfile.ZipFile(wheel) as archive:
            contract: Contract = json.loads(archive.read(f"{name}/{name}-{version}/{FILE}"))
        is_about = contract["name"], contract["version"]
        has_graph = contract["graph"] is not None
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as e:
        raise Ner11Error(f"no wheel with a contract ({e})", where=wheel, fix=_OTHER_WHEEL) from e
    if not has_graph:
        raise Ner11Error("has no graph, it needs torch", where=wheel, fix=_OTHER_WHEEL)
    if is_about != (name, version) or not _PACKAGE.fullmatch(name):
        raise Ner11Error(f"its contract is about {' '.join(map(str, is_about))}", where=wheel, fix=_OTHER_WHEEL)
    return contract


@contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Keep other commands from changing a model repository while the block runs.

    Raises:
        Ner11Error: If one does so now.
    """
    if sys.platform == "win32" or not repository.is_dir():
        yield
        return
    import fcntl

    folder = os.open(repository, os.O_RDONLY)
    try:
        with suppress(OSError):  # network drives may have no locks on folders
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                fix = "Wait for its end, then run this one again"
                raise Ner11Error("another command is changing it", where=repository, fix=fix) from e
        yield
    finally:
        os.close(folder)


def _fill_text(folder: Path, wheel: Path, contract: Contract) -> None:
    """Unpack a wheel beside the code that Triton runs."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(f"{contract['name']}/")])
    write_text(folder / "model.py", _TEMPLATES.get_template("model.py").render())


def _fill_graph(folder: Path, wheel: Path, contract: Contract) -> None:
    """Unpack the graph of a wheel."""
    inside = f"{contract['name']}/{contract['name']}-{contract['version']}/{_GRAPH_FILE}"
    with zipfile.ZipFile(wheel) as archive, archive.open(inside) as graph, (folder / MODEL).open("wb") as file:
        shutil.copyfileobj(graph, file)


def _is_in(folder: Path, other: Path) -> bool:
    """Tell whether all files of a folder are in another one; a server that runs code leaves more there."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return not any(filecmp.cmpfiles(folder, other, names, shallow=False)[1:])


def write_version(model: TritonModel, wheel: Path) -> tuple[int, bool]:
    """Write a package as the next version of a model; a server does not serve it before it is deployed.

    Args:
        model: The model; its first version makes its folder, and is served by a server that starts with it.
        wheel: The package without torch.

    Returns:
        The version, and whether it is new: what is the newest version already is not written again.

    Raises:
        Ner11Error: If the wheel is no such package.
        OSError: If the disk is full; nothing is left half-written.
    """
    contract = read_contract(wheel)
    model.folder.mkdir(parents=True, exist_ok=True)
    try:
        return _write_version(model, wheel, contract)
    except (KeyError, zipfile.BadZipFile, zlib.error) as e:
        raise Ner11Error(f"damaged ({e})", where=wheel, fix="Build it again, with --force, or copy it again") from e
    finally:
        with suppress(OSError):  # goes only if it is empty: nothing could be written
            model.folder.rmdir()


def _write_version(model: TritonModel, wheel: Path, contract: Contract) -> tuple[int, bool]:
    for left in model.folder.glob(f"{_PARTIAL}*"):  # by a run that was killed
        shutil.rmtree(left)
    newest = max(model.versions, default=0)
    inputs, outputs = interface(contract, graph=model.is_graph)
    template = _TEMPLATES.get_template("graph.pbtxt" if model.is_graph else "text.pbtxt")
    config = template.render(name=model.name, inputs=inputs, outputs=outputs)
    # Beside the versions, so that the last step is a rename on one disk; a server passes over what is no number.
    with tempfile.TemporaryDirectory(dir=model.folder, prefix=_PARTIAL) as temporary:
        folder = Path(temporary) / "version"
        folder.mkdir()
        (_fill_graph if model.is_graph else _fill_text)(folder, wheel, contract)
        write_json(folder / FILE, contract)
        write_text(folder / CONFIG, config)
        is_new = not (newest and _is_in(folder, model.version(newest)))
        number = newest + is_new
        if is_new:
            folder.rename(model.folder / str(number))
    if not (model.folder / CONFIG).is_file():  # also where a run was killed just before this
        write_text(model.folder / CONFIG, serving(config, [number]))
    return number, is_new


def write_repository(wheel: Path, repository: Path) -> dict[TritonModel, tuple[int, bool]]:
    """Write a package into a model repository, as a model for texts and one for word pieces.

    Args:
        wheel: The package without torch.
        repository: The model repository.

    Returns:
        The version of each model, and whether it is new.

    Raises:
        Ner11Error: If the wheel is no such package.
        OSError: If the disk is full; nothing is left half-written.
    """
    name = read_contract(wheel)["name"].replace(ONNX, "", 1)
    models = [TritonModel(repository / name), TritonModel(repository / f"{name}{GRAPH}")]
    repository.mkdir(parents=True, exist_ok=True)
    with locked(repository):
        return {model: write_version(model, wheel) for model in models}
