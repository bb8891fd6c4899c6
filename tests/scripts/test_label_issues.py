"""Suspected errors of a gold set, on a toy encoder, with errors planted in it."""

import json
import re
import shutil

import pytest
from spacy.util import load_config

from tests.scripts.conftest import make_project, run_in
from tests.scripts.test_bad_input import the_line

ACTORS = ("Turla", "Sandworm", "Zebrocy")
MALWARE = ("KillDisk", "Kazuar", "NotPetya")
PLACES = ("Poland", "Ukraine", "Estonia", "Latvia")
SETTINGS = ("--epochs", "8", "--folds", "2")
PLANTED = {
    "[Turla](MALWARE) used [Kazuar](MALWARE) in [Poland](LOCATION).": "label",
    "[Sandworm](THREAT_ACTOR) used KillDisk in [Ukraine](LOCATION).": "missing",
}


def _plain(markup):
    return re.sub(r"\[(.*?)\]\(\w+\)", r"\1", markup)


def write_gold(folder):
    """Write each combination of names as a text of its own, and a few with errors."""
    texts = [f"[{a}](THREAT_ACTOR) used [{m}](MALWARE) in [{p}](LOCATION)." for a in ACTORS for m in MALWARE for p in PLACES]
    texts = [text for text in texts if _plain(text) not in map(_plain, PLANTED)]
    splits = {"train": [*texts[:20], *PLANTED], "dev": texts[20:25], "test": texts[25:]}
    for split, own in splits.items():
        place = folder / "assets/cyber/gold" / split
        shutil.rmtree(place)
        place.mkdir()
        for i, text in enumerate(own):
            (place / f"{split}{i}.md").write_text(text + "\n", encoding="utf8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, toy_bert):
    """A project whose gold set has errors, and what the command printed."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    write_gold(folder)
    shutil.copytree(toy_bert, folder / "assets/encoders/toy")
    run = run_in(folder)
    for script, *arguments in [("encoder", "--encoder", "assets/encoders/toy"), ("convert",), ("merge",), ("configure",)]:
        assert run(script, *arguments).exit_code == 0
    config = load_config(folder / "training/config.cfg")
    config["training"]["optimizer"]["learn_rate"]["initial_rate"] = 0.003
    config.to_disk(folder / "training/config.cfg")
    done = run("label_issues", *SETTINGS)
    assert done.exit_code == 0, done.output
    return folder, run, done.stdout


def read_issues(folder):
    return json.loads((folder / "training/report/label_issues.json").read_text())


def test_planted_errors_are_the_first(finished):
    folder, _, printed = finished
    first = [task["data"] for task in read_issues(folder)[: len(PLANTED)]]
    assert {(data["text"], data["suspicions"][0]["kind"]) for data in first} == {
        (_plain(markup), kind) for markup, kind in PLANTED.items()
    }
    assert "Turla (THREAT_ACTOR)" in printed and "KillDisk (MALWARE)" in printed


def test_the_same_seed_finds_the_same(finished):
    folder, run, _ = finished
    before = read_issues(folder)
    assert run("label_issues", *SETTINGS, "--quiet").stdout == ""
    assert read_issues(folder) == before


def test_nothing_but_the_list_is_left_behind(finished):
    folder, _, _ = finished
    assert {path.name for path in (folder / "training").iterdir()} == {"config.cfg", "choices.json", "report"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "100"], "folds: 100, but there are only 36 documents. Give fewer folds."),
        (["--folds", "1"], "folds: 1, but models need texts to learn from."),
        (["--epochs", "0"], "epochs: 0, but nothing is learned without one."),
    ],
)
def test_impossible_wishes_are_one_line(finished, arguments, message):
    _, run, _ = finished
    assert message in the_line(run("label_issues", *arguments))


def test_a_head_without_probabilities_is_one_line(finished, tmp_path):
    folder, _, _ = finished
    shutil.copytree(folder / "corpus", tmp_path / "corpus")
    config = load_config(folder / "training/config.cfg")
    config["components"]["ner"] = {"factory": "ner"}
    (tmp_path / "training").mkdir()
    config.to_disk(tmp_path / "training/config.cfg")
    line = the_line(run_in(tmp_path)("label_issues"))
    assert "training/config.cfg: the head gives no probabilities of tokens. Configure with --vars.head softmax." in line


def test_a_project_that_is_not_configured_is_one_line(run):
    assert "training/config.cfg: no such file. Run 'spacy project run configure' first." in the_line(run("label_issues"))


def test_no_gold_texts_are_one_line(run, project):
    (project / "training").mkdir()
    (project / "training/config.cfg").write_text("[system]\ngpu_id = -1\n")
    assert "corpus/merged: no texts of a gold set." in the_line(run("label_issues"))
