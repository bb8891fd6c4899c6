import json
from xml.etree import ElementTree as ET

import labels
import pytest
from typer.testing import CliRunner

SCHEMA = """
domain: toy
nodes:
  - name: THREAT
    definition: What does harm.
    examples: [Ryuk, APT28]
    children:
      - {name: ACTOR, definition: Who attacks., examples: [APT28, Turla], active: true, aliases: [APT_GROUP]}
      - name: MALWARE
        definition: Harmful programs.
        examples: [Ryuk, Emotet]
        active: true
        children:
          - {name: WIPER, definition: It deletes., examples: [KillDisk, CaddyWiper]}
      - {name: CAMPAIGN, definition: A series of attacks., examples: [Aurora, Dust Storm]}
left_out:
  - {names: [TITLE], reason: A field of a document.}
"""
ROW = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 8}


@pytest.fixture
def run(tmp_path, monkeypatch):
    path = tmp_path / "configs/domains/toy/schema.yml"
    path.parent.mkdir(parents=True)
    path.write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        domain = () if arguments[0] == "scores" else ("--domain", "toy")
        return CliRunner().invoke(labels.app, [*arguments, *domain])

    return run


def lines(done):
    assert done.exit_code == 0, done.output
    return [line.rstrip() for line in done.stdout.splitlines()]


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_the_tree_shows_state_and_definition(run):
    assert lines(run("tree")) == [
        "  THREAT (stands for 2): What does harm.",
        "  * ACTOR (active): Who attacks.",
        "  * MALWARE (active): Harmful programs.",
        "      WIPER (counts as MALWARE): It deletes.",
        "    CAMPAIGN (reserved): A series of attacks.",
        "5 nodes: 2 active, 1 below an active one, 1 above, 1 reserved; 1 aliases; the schema leaves 1 names out",
    ]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--level", "1"], ["THREAT"]),
        (["--active"], ["THREAT", "ACTOR", "MALWARE"]),
        (["--node", "malware"], ["MALWARE", "WIPER"]),
    ],
)
def test_a_part_of_the_tree(run, arguments, names):
    *nodes, summary = lines(run("tree", *arguments))
    assert [line.lstrip(" *").split()[0] for line in nodes] == names
    assert summary.startswith(f"{len(names)} nodes: ")


def test_a_narrow_terminal_gets_one_line_a_node(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert lines(run("tree"))[1] == "  * ACTOR (active):…"


def test_show_tells_all_about_a_label(run):
    assert lines(run("show", "apt group")) == [
        "ACTOR",
        "  state       active",
        "  definition  Who attacks.",
        "  examples    APT28, Turla",
        "  aliases     APT_GROUP",
        "  path        THREAT > ACTOR",
    ]
    assert "  children    WIPER" in lines(run("show", "MALWARE"))


def test_show_names_near_labels(run):
    done = run("show", "malwre")
    assert done.exit_code == 1 and "unknown label 'MALWRE'. Did you mean MALWARE." in done.stderr


def test_show_says_why_a_name_is_left_out(run):
    assert lines(run("show", "title")) == ["TITLE is left out, it is no label: A field of a document."]


def test_the_labeling_configuration_is_written(run, tmp_path):
    assert "Wrote 2 labels into corpus/label_studio.xml" in run("label-studio").stdout
    labels = ET.parse(tmp_path / "corpus/label_studio.xml").findall("Labels/Label")
    assert [label.get("value") for label in labels] == ["ACTOR", "MALWARE"]


def test_scores_of_a_level(run, tmp_path):
    level = {"levels": {"1": {"THREAT": ROW}}, "levels_micro": {"1": {**ROW, "f1": 0.75}}}
    put(tmp_path / "training/metrics.json", {"overall": level, "sources": {"gold": level}})
    printed = [line.split() for line in lines(run("scores", "--level", "1"))]
    for row in (["THREAT", "8", "50.0", "25.0", "33.3"], ["all", "(micro)", "8", "50.0", "25.0", "75.0"]):
        assert printed.count(row) == 2
    assert ["gold", "support", "P", "R", "F1"] in printed
    done = run("scores", "--level", "2")
    assert done.exit_code == 1 and "training/metrics.json: no level 2. Choose from 1." in done.stderr


def test_scores_of_an_older_evaluation_say_what_to_do(run, tmp_path):
    put(tmp_path / "training/metrics.json", {"overall": {}, "sources": {"gold": {}}})
    done = run("scores", "--level", "1")
    assert done.exit_code == 1 and "no scores by level. Evaluate again" in done.stderr and done.stderr.count("\n") == 1


def test_evidence_names_labels_with_too_little_and_keeps_other_domains(run, tmp_path):
    rows = [{"split": split, "source": "one", "label": "ACTOR", "count": 30} for split in ("train", "test")]
    put(tmp_path / "corpus/merged/ledger.json", {"spans_kept": rows})
    results = tmp_path / "benchmarks/results/evidence.json"
    put(results, {"food": {}})
    assert "Fewer than 30 spans to train or 10 to score: MALWARE" in run("evidence").stdout
    written = json.loads(results.read_text())
    assert written["toy"]["ACTOR"] == {"training": {"one": 30}, "evaluation": {"one": 30}, "enough": True}
    assert written["food"] == {}


def test_evidence_of_fewer_sources_does_not_replace_that_of_more(run, tmp_path):
    row = {"split": "train", "label": "ACTOR", "count": 30}
    ledger = tmp_path / "corpus/merged/ledger.json"
    put(ledger, {"spans_kept": [{**row, "source": source} for source in ("one", "two")]})
    assert run("evidence").exit_code == 0
    before = (tmp_path / "benchmarks/results/evidence.json").read_bytes()
    put(ledger, {"spans_kept": [{**row, "source": "one"}]})
    done = run("evidence")
    assert done.exit_code == 1 and "evidence.json: the corpus lacks two, whose spans are counted there" in done.stderr
    assert (tmp_path / "benchmarks/results/evidence.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "path", "message"),
    [
        (["scores", "--level", "1"], "training/metrics.json", "training/metrics.json: damaged (no 'overall' in it)"),
        (["evidence"], "corpus/merged/ledger.json", "corpus/merged/ledger.json: damaged (no 'spans_kept' in it)"),
        (["label-studio", "--output", "training"], "training/x.json", "training: a folder. Name a file."),
    ],
)
def test_files_of_another_kind_are_one_line(run, tmp_path, arguments, path, message):
    put(tmp_path / path, [])
    done = run(*arguments)
    assert done.exit_code == 1 and message in done.stderr and done.stderr.count("\n") == 1
