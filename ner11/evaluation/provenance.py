"""Where a model comes from: data, configuration, software, hardware, time and energy."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

from spacy.util import load_config

import ner11
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.training.hardware import Device

PACKAGES = (
    "spacy",
    "spacy-transformers",
    "spacy-curated-transformers",
    "thinc",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
)
"""Packages whose version can change what a model finds."""
EPOCH = "SOURCE_DATE_EPOCH"
"""Environment variable with the seconds since 1970 that stand for now, so that two runs write the same."""


class Provenance(TypedDict):
    """Where a model comes from, as it stands in `metrics.json`.

    Attributes:
        data: `name`, `license`, `commit` (None where there is none) and `url` of each data set that it learned from or was
            tested on.
        config_sha256: Of the training configuration.
        seed: Of the training.
        versions: Of Python and of the packages that count.
        hardware: `cpu`, `cores`, `memory_gib` (None where the system does not say) and `gpu` (None without one).
        project: `version` of ner11, and `commit` of the project with "-dirty" if tracked files differ from it; None without one.
        time: `training_seconds` and `evaluation_seconds`.
        energy_joules: Of the training; None where no counter could be read.
        written: When, in UTC.
    """

    data: list[dict[str, str | None]]
    config_sha256: str
    seed: int
    versions: dict[str, str]
    hardware: dict[str, Any]
    project: dict[str, str | None]
    time: dict[str, float]
    energy_joules: float | None
    written: str


def collect_provenance(
    datasets: Iterable[Dataset],
    *,
    config: Path,
    device: Device,
    training: Mapping[str, Any],
    evaluation_seconds: float,
    root: Path,
) -> Provenance:
    """Collect where a model comes from.

    Args:
        datasets: The data sets in its corpus.
        config: The configuration that it was trained with.
        device: The device that it runs on.
        training: As in `training/train.json`.
        evaluation_seconds: How long it took to measure it.
        root: The project's folder.

    Raises:
        Ner11Error: If SOURCE_DATE_EPOCH is set and no number of seconds.
        OSError: If the configuration cannot be read.
    """
    return {
        "data": [{"name": data.name, "license": data.license, "commit": data.commit, "url": data.url} for data in datasets],
        "config_sha256": hashlib.sha256(config.read_bytes()).hexdigest(),
        "seed": load_config(config, interpolate=True)["training"]["seed"],
        "versions": find_versions(),
        "hardware": {
            "cpu": find_processor(),
            "cores": os.cpu_count(),
            "memory_gib": find_memory(),
            "gpu": device.name if device.is_gpu else None,
        },
        "project": {"version": ner11.__version__, "commit": find_commit(root)},
        "time": {"training_seconds": training["seconds"], "evaluation_seconds": evaluation_seconds},
        "energy_joules": training.get("joules"),
        "written": find_time(),
    }


def find_versions() -> dict[str, str]:
    """Give the version of Python, of ner11, and of the installed ones of PACKAGES."""
    found = {"python": platform.python_version(), "ner11": ner11.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def find_processor() -> str:
    """Give the name of the processor, or of its architecture where the system does not say more."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf8").splitlines() if info.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def find_memory() -> float | None:
    """Give the memory of the machine in GiB."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def find_commit(folder: Path) -> str | None:
    """Give the commit that a folder is at, with "-dirty" if tracked files differ from it; None without git or a repository."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_time() -> str:
    """Give the time in UTC to the second, or that of SOURCE_DATE_EPOCH."""
    epoch = os.environ.get(EPOCH)
    try:
        now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as e:
        raise Ner11Error(f"'{epoch}' is no number of seconds since 1970", where=EPOCH, fix="Correct it or unset it") from e
    return now.isoformat(timespec="seconds")
