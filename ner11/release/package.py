"""The pip-installable package: `spacy package` with the component's code inside and a complete meta.json."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.cli.package import package as spacy_package

import ner11
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.files import write_text

_PIPELINE = Path(ner11.__file__).parent / "pipeline"
_PARTIAL = ".partial-"
FAILED_GATES = "_failed_gates"
"""What the name of a package ends with whose model may not ship."""
CODE = (
    "allowed",
    "calibration",
    "chain",
    "confidence",
    "logits",
    "loss",
    "optimizer",
    "scoring",
    "softmax_ner",
    "tags",
    "transformer",
    "windows",
)
"""Modules of `ner11/pipeline` that travel inside the package. (`spacy package --code` imports each file by itself, so
that none could import another.)"""


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
            "test_sets": {source: scores["micro"] for source, scores in metrics["sources"].items()},
            "gates_passed": passed,
            "verdict": gates["verdict"],
            "gates_file": gates["gates_file"],
            "gates": gates["gates"],
        },
    )
    return meta


def _licenses(datasets: Sequence[Dataset], encoder: str) -> str:
    rows = "".join(f"- {d.name}: {d.license}, {d.url}\n" for d in datasets)
    return f"This pipeline was trained from the encoder {encoder} on these data sets:\n\n{rows}"


def build_package(model: Path, out: Path, *, meta: dict[str, Any], card: str, datasets: Sequence[Dataset]) -> tuple[Path, Path]:
    """Build the sdist and the wheel.

    Args:
        model: Folder of the trained pipeline.
        out: Folder for the finished files; those of the same name are replaced only when the new ones are whole.
        meta: As `build_meta` gives it.
        card: The model card, as `make_card` gives it.
        datasets: The data sets that it was trained on.

    Returns:
        The wheel and the sdist.

    Raises:
        Ner11Error: If the build fails.
        OSError: If the disk is full.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{_PARTIAL}*"):  # by a run that was killed
        shutil.rmtree(left)
    # Inside `out`, so that the last step is a rename on one disk.
    with tempfile.TemporaryDirectory(dir=out, prefix=_PARTIAL) as temporary:
        folder = Path(temporary)
        meta_path = folder / "meta.json"
        srsly.write_json(meta_path, meta)
        spacy_package(model, folder, meta_path=meta_path, create_sdist=False, create_wheel=False, require_parent=True)
        package = f"{meta['lang']}_{meta['name']}"
        project = folder / f"{package}-{meta['version']}"
        for module in CODE:
            shutil.copy(_PIPELINE / f"{module}.py", project / package)
        with (project / package / "__init__.py").open("a", encoding="utf8") as init:
            init.write(f"\n\nfrom . import {', '.join(CODE)}  # registers the functions that the pipeline needs\n")
        # The code is inside, so the library is no requirement, although its entry points make spaCy think so.
        written = srsly.read_json(project / "meta.json")
        written["requirements"] = [r for r in written["requirements"] if spacy.util.split_requirement(r)[0] != "ner11"]
        srsly.write_json(project / "meta.json", written)
        # spaCy has written a README.md of its own to both places: the second one is installed with the model.
        for folder_of_card in (project, project / package / project.name):
            write_text(folder_of_card / "README.md", card)
        write_text(project / "LICENSES_SOURCES", _licenses(datasets, meta["ner11"]["encoder"]))
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(project)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1]
            raise Ner11Error(f"the build failed ({last})", where=project.name, fix=f"Run it by hand: {' '.join(command[1:3])}")
        (wheel,), (sdist,) = ((folder / "dist").glob(pattern) for pattern in ("*.whl", "*.tar.gz"))
        return wheel.replace(out / wheel.name), sdist.replace(out / sdist.name)
