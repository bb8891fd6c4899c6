import json

import pytest

STIX = {
    "objects": [
        {"type": "malware", "id": "malware--1", "name": "Gnawerix"},
        {"type": "malware", "id": "malware--2", "name": "Snake"},
    ]
}


@pytest.fixture
def stix(project):
    path = project / "assets/datasets/gaz-attack-stix/malware.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(STIX))
    return path


def test_writes_entities_and_what_is_excluded(run, project, stix):
    done = run("gazetteer")
    assert done.exit_code == 0, done.output
    assert "Skipped: gazetteer misp-galaxy is not there" in done.stdout and "1 names to match, 1 excluded" in done.stdout
    folder = project / "corpus/gazetteer"
    entity, excluded = (json.loads((folder / f"{name}.jsonl").read_text()) for name in ("entities", "excluded"))
    assert (entity["name"], entity["node"], entity["sources"][0]["id"]) == ("Gnawerix", "MALWARE", "malware--1")
    assert (excluded["name"], excluded["reason"]) == ("Snake", "an everyday word or name")
    assert json.loads((folder / "summary.json").read_text())["entities"] == 1


def test_a_damaged_file_keeps_the_last_good_output(run, project, stix):
    (project / "corpus/gazetteer").mkdir(parents=True)
    (project / "corpus/gazetteer/entities.jsonl").write_text("good")
    stix.write_text("{")
    done = run("gazetteer")
    assert done.exit_code == 1 and "malware.json:1: no valid JSON" in done.stderr
    assert (project / "corpus/gazetteer/entities.jsonl").read_text() == "good"


def test_no_gazetteer_at_all(run):
    done = run("gazetteer")
    assert done.exit_code == 1 and "none of the gazetteers is there" in done.stderr
