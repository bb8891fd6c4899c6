import hashlib
import json
import subprocess

import pytest

from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.evaluation import provenance
from ner11.evaluation.provenance import collect_provenance, find_commit, find_processor, find_versions
from ner11.training.hardware import Device

CPU, GPU = Device(-1, "CPU", 0, "chosen"), Device(0, "Some GPU", 2**30, "chosen")
CONFIG = "[system]\nseed = 7\n\n[training]\nseed = ${system.seed}\n"


@pytest.fixture
def collect(tmp_path):
    (tmp_path / "config.cfg").write_text(CONFIG)
    datasets = [
        Dataset(
            name=name,
            path=tmp_path,
            url="https://example.org/data",
            commit=commit,
            license="MIT",
            format="columns",
            splits={"train": "train.tsv"},
            tier="expert",
            labels={},
        )
        for name, commit in (("ours", None), ("theirs", "37aff53"))
    ]

    def run(device=CPU, training=None):
        return collect_provenance(
            datasets,
            config=tmp_path / "config.cfg",
            device=device,
            training=training or {"seconds": 152, "joules": 9500.5},
            evaluation_seconds=31.5,
            root=tmp_path,
        )

    return run


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True).stdout

    git("init")
    (folder / "file").write_text("first")
    git("add", "file")
    git("commit", "-m", "first")
    git("tag", "v1.0")
    return folder, git("rev-parse", "HEAD").strip()


def test_data_configuration_time_and_energy_are_named(collect):
    found = json.loads(json.dumps(collect()))
    assert found["data"] == [
        {"name": "ours", "license": "MIT", "commit": None, "url": "https://example.org/data"},
        {"name": "theirs", "license": "MIT", "commit": "37aff53", "url": "https://example.org/data"},
    ]
    assert found["config_sha256"] == hashlib.sha256(CONFIG.encode()).hexdigest()
    assert found["seed"] == 7
    assert found["time"] == {"training_seconds": 152, "evaluation_seconds": 31.5}
    assert found["energy_joules"] == 9500.5


def test_energy_that_was_not_measured_is_no_figure(collect):
    assert collect(training={"seconds": 3})["energy_joules"] is None


def test_hardware_is_that_of_this_machine(collect):
    hardware = collect()["hardware"]
    assert hardware["cpu"] and hardware["cores"] > 0 and hardware["memory_gib"] > 0
    assert hardware["gpu"] is None
    assert collect(GPU)["hardware"]["gpu"] == "Some GPU"


def test_the_processor_has_a_name_without_proc_too(monkeypatch):
    monkeypatch.setattr("pathlib.Path.is_file", lambda path: False)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert find_processor() == "arm64"


def test_versions_of_what_is_installed(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("spacy", "no-such-package"))
    versions = find_versions()
    assert set(versions) == {"python", "ner11", "spacy"} and versions["spacy"].startswith("3.")


def test_the_commit_is_marked_if_tracked_files_differ(repository):
    folder, commit = repository
    assert find_commit(folder) == commit
    (folder / "new").write_text("not tracked")
    assert find_commit(folder) == commit
    (folder / "file").write_text("changed")
    assert find_commit(folder) == f"{commit}-dirty"


def test_no_repository_or_no_git_is_no_commit(tmp_path, monkeypatch):
    assert find_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_commit(tmp_path) is None


def test_two_runs_can_have_one_date(collect, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert collect()["written"] == "2023-11-14T22:13:20+00:00"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert collect()["written"] > "2025"


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 30])
def test_a_date_that_is_none_is_one_line(collect, monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(Ner11Error, match=f"SOURCE_DATE_EPOCH: '{epoch}' is no number of seconds"):
        collect()
