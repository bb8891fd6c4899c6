import subprocess

import pytest
from fetch import fetch

from ner11.errors import Ner11Error


@pytest.fixture
def repository(tmp_path):
    """A repository with two commits; gives its address and the first commit."""
    folder = tmp_path / "repository"

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True).stdout

    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "data" / "deep" / "a.txt").write_text("first")
    (folder / "other.txt").write_text("other")
    git("init", "--quiet")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    git("config", "uploadpack.allowFilter", "true")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    (folder / "data" / "deep" / "a.txt").write_text("second")
    git("commit", "--quiet", "-am", "second")
    return f"file://{folder}", commit


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "datasets" / "one"
    (folder / "data" / "old").mkdir(parents=True)
    (folder / "README.md").touch()
    return folder


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_gets_the_pinned_commit_and_only_the_paths(repository, target):
    fetch(*repository, ["data"], target)
    assert (target / "data/deep/a.txt").read_text() == "first"
    assert files(target) == ["README.md", "data/deep/a.txt"]


def test_gets_a_single_file_and_the_whole(repository, target):
    fetch(*repository, ["other.txt"], target)
    assert (target / "other.txt").read_text() == "other"
    fetch(*repository, ["."], target.with_name("whole"))
    assert files(target.with_name("whole")) == ["data/deep/a.txt", "other.txt"]


def test_an_unknown_commit_leaves_what_was_there(repository, target):
    with pytest.raises(Ner11Error, match="commit 0123456 could not be fetched"):
        fetch(repository[0], "0123456789" * 4, ["data"], target)
    assert files(target) == ["README.md"]


def test_an_unknown_data_set_is_named(run, project):
    (project / "project.yml").write_text('assets: [{dest: assets/datasets/one/data, repo: r, commit: c, paths: ["."]}]')
    done = run("fetch", "two")
    assert done.exit_code == 1 and "'two' is no such data set. Choose from one." in done.stderr
