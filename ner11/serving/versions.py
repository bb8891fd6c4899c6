"""Retrained models: kept whole, named once and never again, and one of them named as the one that answers."""

import fcntl
import importlib.util
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.files import clear, hash_folder, read_object, replaced_dir, write_json

KEPT = 5
"""Retrained versions that are kept; beside them the one that answers and the one that it was made to replace."""
PIPELINE = "pipeline"
_RECORD = "version.json"
_POINTER = "versions.json"
_UNNAMED = "0.0.0"
"""What spaCy calls a pipeline that was never packaged."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelVersion:
    """A model that answers, or once did, or may.

    Attributes:
        id: Its name everywhere, `<lang>_<name>-<version>`; of retrained ones with +r1, +r2 and so on behind it.
        pipeline: Folder of the pipeline, or name of the package.
        parent: Id of the version that it was compared with; None for the baseline.
        created: ISO 8601.
        annotations: Annotated tasks that it was trained on beside the other data sets.
        f1: On the untouched test texts; None if it is not known.
    """

    id: str
    pipeline: str
    parent: str | None
    created: str
    annotations: int
    f1: float | None


def find_pipeline(model: str) -> Path:
    """Find the folder with the meta.json of a pipeline: the folder itself, or that of an installed package.

    Raises:
        Ner11Error: If there is none.
    """
    folder = Path(model)
    if not folder.is_dir():
        spec = importlib.util.find_spec(model) if model.isidentifier() else None
        folder = Path(spec.origin).parent if spec and spec.origin else folder
    if not (folder / "meta.json").is_file():
        raise Ner11Error("no trained pipeline", where=model, fix="Train or install one, or set NER11_MODEL to another")
    return folder


def _write_meta(pipeline: Path, id_: str) -> None:
    """Let a pipeline name itself as the version does."""
    name, _, version = id_.partition("-")
    meta = read_object(pipeline / "meta.json")
    write_json(pipeline / "meta.json", {**meta, "name": name.partition("_")[2], "version": version})


class VersionStore:
    """The baseline and the versions that were retrained from it. Safe to use from several threads and processes.

    Args:
        folder: Where retrained versions lie: `versions/<id>/pipeline`, and what else was kept of their training beside it.
        baseline: Folder of a pipeline, or name of an installed package. A baseline of another name or version, or one that was
            trained anew, begins a history of its own: what was retrained from an earlier one answers no more.
    """

    def __init__(self, folder: Path, baseline: str) -> None:
        self._folder, self._baseline = folder, baseline

    @property
    def _pointer(self) -> Path:
        return self._folder / _POINTER

    def baseline(self) -> ModelVersion:
        """Give the model that retraining started from.

        Raises:
            Ner11Error: If it is not there.
        """
        folder = find_pipeline(self._baseline)
        path = folder / "meta.json"
        meta = read_object(path, "lang", "name", "version")
        changed = path.stat().st_mtime
        id_ = f"{meta['lang']}_{meta['name']}-{meta['version']}"
        if meta["version"] == _UNNAMED:  # straight from a training: the next one calls itself the same
            id_ += f"+{_fingerprint(folder, changed)}"
        created = datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
        return ModelVersion(id_, self._baseline, None, created, 0, None)

    def current(self) -> ModelVersion:
        """Give the version that answers: the one activated last, the baseline if there is none. Raises as `baseline` does."""
        return self._activated(self.baseline())[-1]

    def history(self) -> list[ModelVersion]:
        """List the versions that are there, newest first, the baseline last. Raises as `baseline` does."""
        baseline = self.baseline()
        return [*reversed(self._versions(baseline).values()), baseline]

    def next_id(self) -> str:
        """Give the id that the next version will have."""
        return _numbered(self.baseline(), self._read()["last"] + 1)

    def path(self, id_: str) -> Path:
        """Give the folder of a retrained version."""
        return self._folder / "versions" / id_

    def add(
        self, pipeline: Path, *, annotations: int = 0, f1: float | None = None, beside: Mapping[str, Path] | None = None
    ) -> ModelVersion:
        """Keep a retrained pipeline, whole or not at all. It does not answer until it is activated.

        Args:
            pipeline: Its folder, which is copied.
            annotations: See `ModelVersion`.
            f1: See `ModelVersion`.
            beside: Files and folders to keep with it, by the name to keep them under.

        Raises:
            Ner11Error: If it is no pipeline.
            OSError: If the disk is full; nothing of it is left then.
        """
        find_pipeline(str(pipeline))
        with self._locked():
            parent, state = self.current(), self._read()
            number = state["last"] + 1
            id_ = _numbered(self.baseline(), number)
            write_json(self._pointer, {**state, "last": number})  # first, so that no two versions ever share a name
            with replaced_dir(self.path(id_)) as folder:
                shutil.copytree(pipeline, folder / PIPELINE)
                for name, source in (beside or {}).items():
                    (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
                _write_meta(folder / PIPELINE, id_)
                created = datetime.now(UTC).isoformat(timespec="seconds")
                version = ModelVersion(id_, str(self.path(id_) / PIPELINE), parent.id, created, annotations, f1)
                write_json(folder / _RECORD, {**asdict(version), "number": number, "baseline": self.baseline().id})
        return version

    def activate(self, id_: str, *, instead_of: str | None = None) -> None:
        """Let a version answer from now on.

        Args:
            id_: The version.
            instead_of: The version that it was held against; None for whichever answers.

        Raises:
            Ner11Error: If there is none of that id, or another version than `instead_of` answers by now.
        """
        with self._locked():
            baseline = self.baseline()
            now = self._activated(baseline)[-1].id
            if instead_of not in (None, now):
                what = f"{now} answers by now, but {id_} was held against {instead_of}"
                raise Ner11Error(what, where=self._folder, fix="Train again")
            known = {**self._versions(baseline), baseline.id: baseline}
            if id_ not in known:
                raise Ner11Error(f"there is no version {id_}", where=self._folder, fix=f"Choose from {', '.join(known)}")
            state = self._read()
            if id_ != now:
                write_json(self._pointer, {**state, "active": [*state["active"], id_]})

    def rollback(self) -> ModelVersion:
        """Let the version answer again that answered before this one, and give it.

        Raises:
            Ner11Error: If there was none.
        """
        with self._locked():
            active = self._activated(self.baseline())
            if len(active) == 1:
                raise Ner11Error(f"{active[0].id} answers, and no other one did before it", where=self._folder)
            state = self._read()
            last = max(i for i, id_ in enumerate(state["active"]) if id_ == active[-1].id)
            write_json(self._pointer, {**state, "active": [*state["active"][:last], *state["active"][last + 1 :]]})
        return active[-2]

    def prune(self) -> list[str]:
        """Delete what a kill left half made, and all but the last `KEPT` versions, the one that answers and its parent.

        Returns:
            The ids of the versions that were deleted.
        """
        with self._locked():
            baseline = self.baseline()
            current, versions = self._activated(baseline)[-1], self._versions(baseline)
            kept = {current.id, current.parent, *list(versions)[-KEPT:]}
            gone = [id_ for id_ in versions if id_ not in kept]
            partial = (self._folder / "versions").glob(".*.partial")  # a kill left it; names are never used again
            for path in [*map(self.path, gone), *partial]:
                clear(path)
        return gone

    def _versions(self, baseline: ModelVersion) -> dict[str, ModelVersion]:
        """Read the versions of a baseline, oldest first."""
        found: list[tuple[int, ModelVersion]] = []
        for path in (self._folder / "versions").glob(f"*/{_RECORD}"):
            try:
                record: dict[str, Any] = read_object(path, "number", "baseline", "id", "parent", "created", "annotations", "f1")
            except Ner11Error as e:  # the others must still answer
                _warn(f"{path}: {e.what}; this version is left out")
                continue
            if record["baseline"] == baseline.id and not path.parent.name.startswith("."):
                # Where it lies now: the folder may have been moved.
                values = [record[key] for key in ("parent", "created", "annotations", "f1")]
                found.append((record["number"], ModelVersion(record["id"], str(path.parent / PIPELINE), *values)))
        return {version.id: version for _, version in sorted(found, key=lambda each: each[0])}

    def _activated(self, baseline: ModelVersion) -> list[ModelVersion]:
        """Give the versions that answered, in their order, the baseline first; those that are gone are left out."""
        known = {**self._versions(baseline), baseline.id: baseline}
        active = [known[id_] for id_ in self._read()["active"] if id_ in known]
        return [baseline, *active] if not active or active[0] != baseline else active

    def _read(self) -> dict[str, Any]:
        return read_object(self._pointer, "last", "active") if self._pointer.is_file() else {"last": 0, "active": []}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "versions.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@lru_cache(maxsize=64)
def _warn(said: str) -> None:
    """Say it once: versions are looked at every few seconds."""
    _log.warning(said)


@lru_cache(maxsize=1)
def _fingerprint(pipeline: Path, changed: float) -> str:
    """Tell trained pipelines apart that have no version of their own."""
    return hash_folder(pipeline)[:8]


def _numbered(baseline: ModelVersion, number: int) -> str:
    return f"{baseline.id}{'.' if '+' in baseline.id else '+'}r{number}"
