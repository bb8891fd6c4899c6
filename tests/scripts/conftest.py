"""A small project of its own: the real configuration and scripts, a gold set of a few sentences, a toy encoder."""

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
GOLD = {
    "train": [
        "[Sandworm](THREAT_ACTOR) used [KillDisk](MALWARE) in [Ukraine](LOCATION).",
        "[Turla](THREAT_ACTOR) used [Kazuar](MALWARE) in [Poland](LOCATION).",
        "Nothing happened here.",
    ],
    "dev": ["[Sandworm](THREAT_ACTOR) used [Kazuar](MALWARE) in [Poland](LOCATION)."],
    "test": ["[Turla](THREAT_ACTOR) used [KillDisk](MALWARE) in [Ukraine](LOCATION), version [1.2](VERSION)."],
}

Run = Callable[..., Result]


def make_project(folder: Path) -> Path:
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    for split, texts in GOLD.items():
        split_folder = folder / "assets" / "cyber" / "gold" / split
        split_folder.mkdir(parents=True)
        for i, text in enumerate(texts):
            (split_folder / f"{i}.md").write_text(text + "\n", encoding="utf8")
    return folder


def run_in(folder: Path) -> Run:
    """Give a function that runs a script as its command line would, with `folder` as the project."""

    def run(script: str, *arguments: str) -> Result:
        app = typer.Typer()
        app.command()(importlib.import_module(script).main)
        before = Path.cwd()
        os.chdir(folder)
        try:
            return CliRunner().invoke(app, arguments)
        finally:
            os.chdir(before)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project; nothing has run in it."""
    return make_project(tmp_path)


@pytest.fixture
def run(project: Path) -> Run:
    """Run a script in the fresh project."""
    return run_in(project)
