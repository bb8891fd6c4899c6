import hashlib
import json
import re

import pytest
import spacy
from spacy.tokens import DocBin

from ner11.evaluation.predictions import record_release, write_predictions
from ner11.evaluation.texts import from_reference, predict

GOLD = {
    "Turla used Kazuar in Poland.": {"Turla": "THREAT_ACTOR", "Kazuar": "MALWARE", "Poland": "LOCATION"},
    "Sandworm hit Ukraine again.": {"Sandworm": "THREAT_ACTOR", "Ukraine": "LOCATION"},
    "Nothing happened here.": {},
}
RIGHT = {word: label for words in GOLD.values() for word, label in words.items()}
WRONG = {**RIGHT, "Kazuar": "TOOL", "here": "LOCATION"}


def make_pipeline(labels, version):
    nlp = spacy.blank("en", meta={"name": "ner11_cyber", "version": version})
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": label, "pattern": word} for word, label in {"elsewhere": "X", **labels}.items()]
    )
    return nlp


def read_gold():
    nlp = spacy.blank("en")
    for text, labels in GOLD.items():
        doc = nlp(text)
        spans = [(doc.text.index(word), word, label) for word, label in labels.items()]
        doc.ents = [doc.char_span(start, start + len(word), label) for start, word, label in spans]
        doc.user_data = {"source": "gold", "tier": "gold", "group": text}
        yield doc


@pytest.fixture
def write(project):
    """A project with a test split; writes what a pipeline with these words finds in it."""
    folder = project / "corpus/merged/test"
    folder.mkdir(parents=True)
    DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=read_gold(), store_user_data=True).to_disk(folder / "0000.spacy")

    def write(path, labels, *, version):
        nlp = make_pipeline(labels, version)
        model = {"name": "en_ner11_cyber", "version": version}
        write_predictions(project / path, predict(nlp, read_gold()), model=model)

    write("training/predictions.jsonl", RIGHT, version="1.2.0")
    return write


@pytest.fixture
def release(project, write):
    """Releases a pipeline with these words."""

    def release(labels, *, version):
        path = f"packages/en_ner11_cyber-{version}.predictions.jsonl"
        write(path, labels, version=version)
        sha256 = hashlib.sha256((project / path).read_bytes()).hexdigest()
        record_release(
            project / "packages",
            name="en_ner11_cyber",
            version=version,
            wheel_sha256="a" * 64,
            predictions_sha256=sha256,
            date="2025-01-31",
        )
        return project / path

    return release


def read(project):
    return json.loads((project / "training/comparison.json").read_text())


def the_line(done):
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit), done.output
    (line,) = done.stderr.strip().splitlines()
    return line


def test_the_last_release_is_found_and_compared(run, project, write, release):
    release({}, version="1.0.0")
    release(WRONG, version="1.1.0")
    release({}, version="1.3.0")
    write("packages/en_ner11_cyber-1.1.5.predictions.jsonl", {}, version="1.1.5")
    done = run("compare")
    assert done.exit_code == 0, done.output
    comparison = read(project)
    assert comparison["baseline"] == {"name": "en_ner11_cyber", "version": "1.1.0"}
    assert (comparison["texts"], comparison["fixed"], comparison["broken"]) == (3, 2, 0)
    assert "en_ner11_cyber 1.2.0 against en_ner11_cyber 1.1.0" in done.stdout
    assert re.search(r"MALWARE +0\.0 +100\.0 +\+100\.0 ", done.stdout)
    assert re.search(r"all \(micro\) +72\.7 +100\.0 +\+27\.3 +\[", done.stdout)
    assert "THREAT_ACTOR" not in done.stdout
    assert "2 errors fixed, 0 new ones, in 3 texts" in done.stdout


def test_a_worse_model_is_no_error_here(run, project, write):
    write("old.predictions.jsonl", RIGHT, version="9.0.0")
    write("training/predictions.jsonl", {}, version="1.2.0")
    done = run("compare", "--baseline", "old.predictions.jsonl")
    assert done.exit_code == 0, done.output
    assert read(project)["broken"] == 5


def test_a_trained_pipeline_is_run(run, project, write):
    make_pipeline(WRONG, "3.0.0").to_disk(project / "other")
    assert run("compare", "--baseline", "other").exit_code == 0
    comparison = read(project)
    assert comparison["baseline"] == {"name": "en_ner11_cyber", "version": "3.0.0"}
    assert comparison["fixed"] == 2


def test_without_an_earlier_release_nothing_is_compared(run, project, write):
    (project / "training/comparison.json").write_text("{}")
    done = run("compare")
    assert done.exit_code == 0 and "No release up to 1.2.0" in done.stdout
    assert read(project) is None


def test_a_release_whose_predictions_are_lost_is_one_line(run, project, release):
    release(WRONG, version="1.1.0").unlink()
    line = the_line(run("compare"))
    name = "packages/en_ner11_cyber-1.1.0.predictions.jsonl"
    assert line.startswith(f"✘ {name}: the predictions of the release en_ner11_cyber 1.1.0 are not there. Restore the file")
    assert not (project / "training/comparison.json").exists()


def test_texts_that_the_earlier_model_lacks_are_told(run, project, write):
    texts = [from_reference(doc) for doc in read_gold()]
    write_predictions(project / "old.jsonl", texts[:1], model={"name": "en_old", "version": "1"})
    done = run("compare", "--baseline", "old.jsonl")
    assert done.exit_code == 0 and read(project)["missing"] == 2
    assert "2 test texts are not among the predictions of the earlier model" in " ".join(done.stdout.split())


def test_quiet_prints_nothing(run, write):
    assert run("compare", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("nowhere.jsonl", "nowhere.jsonl: cannot be read"),
        ("corpus", "corpus: no trained pipeline. Give"),
        ("broken", "broken: cannot be loaded ("),
        ("training/predictions.jsonl.cut", "training/predictions.jsonl.cut:4: no predictions of format 1"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_one_line(run, project, write, baseline, message):
    (project / "broken").mkdir()
    (project / "broken/config.cfg").write_text("[nlp]\nlang = 'en'\n")
    content = (project / "training/predictions.jsonl").read_text()
    (project / "training/predictions.jsonl.cut").write_text(content[:-9])
    assert the_line(run("compare", "--baseline", baseline)).removeprefix("✘ ").startswith(message)
    assert not (project / "training/comparison.json").exists()


def test_a_model_that_is_not_evaluated_names_the_step(run):
    assert "Run 'spacy project run evaluate'" in the_line(run("compare"))


def test_predictions_for_another_test_split_name_the_step(run, project, write):
    write_predictions(project / "training/predictions.jsonl", [], model={"name": "en_ner11_cyber", "version": "1.2.0"})
    line = the_line(run("compare"))
    assert "3 of 3 test texts are not there. Run 'spacy project run evaluate' again." in line
