"""The pip-installable packages: `spacy package` with the components' code inside, a complete meta.json and the contract."""

import filecmp
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import spacy
import srsly
from packaging.version import InvalidVersion, Version
from spacy.cli.package import package as spacy_package

from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.files import hash_file, write_json, write_text
from ner11.release.archives import build_archives
from ner11.release.contract import FILE, GOLDEN, make_contract
from ner11.release.modules import PIPELINE, find_modules, read_imports
from ner11.release.publication import read_checksums

_PARTIAL = ".partial-"
ONNX = "_onnx"
"""What the name of a package without torch ends with."""
FAILED_GATES = "_failed_gates"
"""What the name of a package ends with whose model may not ship."""
REQUIREMENTS = {"numpy": ">=2,<3", "onnxruntime": ">=1.20,<2", "tokenizers": ">=0.21,<1"}
"""Versions of what the modules in a package import themselves, beside what spaCy finds in the configuration."""


@dataclass(frozen=True)
class Package:
    """A built package.

    Attributes:
        name: Of the package, with its language.
        version: Of the package.
        model: Folder of the pipeline that it was built from.
        wheel: The wheel.
        sdist: The sdist.
    """

    name: str
    version: str
    model: Path
    wheel: Path
    sdist: Path

    def to_dict(self) -> dict[str, str]:
        """Give what `training/package.json` says about it."""
        return {
            "name": self.name,
            "version": self.version,
            "model": self.model.as_posix(),
            "wheel": self.wheel.as_posix(),
            "sdist": self.sdist.as_posix(),
            "sha256": hash_file(self.wheel),
        }


def check_version(version: str) -> Version:
    """Read a version of three parts.

    Raises:
        Ner11Error: If it is none, or pip would write it in another way.
    """
    try:
        read = Version(version)
    except InvalidVersion:
        read = None
    if read is None or len(read.release) != 3 or str(read) != version:
        raise Ner11Error(f"'{version}' is no version of three parts", where="version", fix="Give one like 1.10.0 or 1.10.0.dev0")
    return read


def _performance(metrics: dict[str, Any]) -> dict[str, Any]:
    micro = metrics["overall"]["micro"]
    return {
        "ents_p": micro["precision"],
        "ents_r": micro["recall"],
        "ents_f": micro["f1"],
        "ents_per_type": {
            label: {"p": row["precision"], "r": row["recall"], "f": row["f1"], "support": row["support"]}
            for label, row in metrics["overall"]["labels"].items()
        },
    }


def build_meta(
    model: Path,
    *,
    name: str,
    version: str,
    metrics: dict[str, Any],
    gates: dict[str, Any],
    datasets: Sequence[Dataset],
    definitions: dict[str, str],
    export: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Complete the meta.json of a trained pipeline.

    Args:
        model: Folder of the pipeline.
        name: Name of the package without its language; that its gates failed is added to it.
        version: Version of the package.
        metrics: As in `training/metrics.json`.
        gates: As in `training/gates.json`.
        datasets: The data sets that it was trained on.
        definitions: Definition of each active label.
        export: How the pipeline compares with the one that was trained and evaluated, if it is an export of it.

    Returns:
        The meta data: scores on test, sources with their licences, encoder, head, the label scheme, the gates and the verdict.
    """
    meta = srsly.read_json(model / "meta.json")
    labels = sorted(meta["labels"].get("ner", []))
    passed = bool(gates["verdict"]["may_ship"])
    description = f"Named entities of the domain {metrics['model']['domain']}: {len(labels)} labels."
    meta.update(
        name=name if passed else f"{name}{FAILED_GATES}",
        version=version,
        description=description if passed else f"{description} It did not pass its release gates.",
        author="ner11",
        license="Apache-2.0",
        sources=[{"name": d.name, "license": d.license, **({"url": d.url} if "://" in d.url else {})} for d in datasets],
        performance=_performance(metrics),
        notes="The licences of the training data are in LICENSES_SOURCES.",
        ner11={
            "encoder": metrics["model"]["encoder"],
            "head": metrics["model"]["head"],
            "label_scheme": {label: definitions[label] for label in labels},
            "thresholds": {label: row["threshold"] for label, row in (metrics["thresholds"] or {"labels": {}})["labels"].items()},
            "test_sets": {source: scores["micro"] for source, scores in metrics["sources"].items()},
            "gates_passed": passed,
            "verdict": gates["verdict"],
            "gates_file": gates["gates_file"],
            "gates": gates["gates"],
            "export": export,
        },
    )
    return meta


def _licenses(datasets: Sequence[Dataset], encoder: str) -> str:
    rows = "".join(f"- {d.name}: {d.license}, {d.url}\n" for d in datasets)
    return f"This pipeline was trained from the encoder {encoder} on these data sets:\n\n{rows}"


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Give an empty folder inside `out`, where the last step is a rename on one disk; what a killed run left is deleted."""
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=out, prefix=_PARTIAL) as temporary:
        yield Path(temporary)


def build_package(
    model: Path, out: Path, *, meta: dict[str, Any], card: str, datasets: Sequence[Dataset], golden: Sequence[str] = GOLDEN
) -> Package:
    """Build the sdist and the wheel; the same arguments give the same bytes.

    Args:
        model: Folder of the pipeline.
        out: Folder to build in.
        meta: As `build_meta` gives it.
        card: The model card, as `make_card` gives it.
        datasets: The data sets that it was trained on.
        golden: Texts whose entities the contract holds.

    Raises:
        Ner11Error: If the build fails.
        OSError: If the disk is full.
    """
    package = f"{meta['lang']}_{meta['name']}"
    folder = out / package
    folder.mkdir()
    meta_path = folder / "meta.json"
    srsly.write_json(meta_path, meta)
    spacy_package(model, folder, meta_path=meta_path, create_sdist=False, create_wheel=False, require_parent=True)
    project = folder / f"{package}-{meta['version']}"
    inside = project / package / project.name
    modules = find_modules(spacy.util.load_config(model / "config.cfg"))
    for module in modules:
        shutil.copy(PIPELINE / f"{module}.py", project / package)
    with (project / package / "__init__.py").open("a", encoding="utf8") as init:
        init.write(f"\n\nfrom . import {', '.join(modules)}  # registers the functions that the pipeline needs\n")
    written = srsly.read_json(project / "meta.json")
    written["requirements"] = _requirements(written["requirements"], modules)
    for path in (project / "meta.json", inside / "meta.json"):
        write_json(path, written)
    # spaCy has written a README.md of its own to both places: the second one is installed with the model.
    for path in (project / "README.md", inside / "README.md"):
        write_text(path, card)
    write_text(project / "LICENSES_SOURCES", _licenses(datasets, meta["ner11"]["encoder"]))
    nlp = spacy.load(inside)
    write_json(inside / FILE, make_contract(nlp, name=package, version=meta["version"], root=inside, golden=golden))
    wheel, sdist = build_archives(project, folder / "dist")
    return Package(package, meta["version"], model, wheel, sdist)


def _requirements(found: Sequence[str], modules: Sequence[str]) -> list[str]:
    """Complete the requirements that spaCy found in the configuration, and sort them.

    The code is inside, so the library is no requirement, although its entry points make spaCy think so.
    """
    imported = {package for module in modules for package in read_imports(PIPELINE / f"{module}.py")[1]}
    own = [f"{package}{versions}" for package, versions in REQUIREMENTS.items() if package in imported]
    return sorted({r for r in found if spacy.util.split_requirement(r)[0] != "ner11"} | {*own})


def publish(packages: Sequence[Package], out: Path) -> tuple[list[Package], bool]:
    """Put built packages into their folder: all or none.

    A package with a development version, like 0.1.0.dev0, replaces an older one; any other version is there to stay.

    Args:
        packages: The packages.
        out: Their folder.

    Returns:
        The packages where they are now, and whether anything is new.

    Raises:
        Ner11Error: If a version is there already with other content, or was released with it.
    """
    files = [path for package in packages for path in (package.wheel, package.sdist)]
    new = [path for path in files if not _is_same(path, out / path.name)]
    released = read_checksums(out)  # wheels are not in git: where a release was not made, only its checksums are
    for package in (package for package in packages if not Version(package.version).is_devrelease):
        for path in (package.wheel, package.sdist):
            is_other = path.name in released and released[path.name] != hash_file(path)
            if is_other or (path in new and (out / path.name).exists()):
                raise Ner11Error(
                    f"{package.name} {package.version} exists with other content",
                    where=out / path.name,
                    fix="Give a new version with --vars.version; one that ends with .dev0 may be replaced",
                )
    for path in new:
        path.replace(out / path.name)
    return [replace(one, wheel=out / one.wheel.name, sdist=out / one.sdist.name) for one in packages], bool(new)


def _is_same(path: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(path, other, shallow=False)
