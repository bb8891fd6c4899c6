import json

import pytest

SCHEMA = """
domain: toy
nodes:
  - name: TOOL
    definition: A tool.
    examples: [Nmap, Zmap]
    active: true
    children:
      - {name: KIT, definition: A kit., examples: [a, b]}
  - {name: PLACE, definition: A place., examples: [Oslo, Rome], active: true}
"""
LINE = "Then the crew went to look for"


@pytest.fixture
def gold(project):
    """The gold set of the project, with one entry in every report."""
    (project / "configs/domains/cyber/schema.yml").write_text(SCHEMA, encoding="utf8")
    folder = project / "assets/cyber/gold"
    (folder / "train/0.md").write_text(f"{LINE} [Nmap](TOOL).\n", encoding="utf8")
    (folder / "train/1.md").unlink()
    (folder / "dev/0.md").write_text("[Nmap](PLACE) is one place.\n", encoding="utf8")
    (folder / "test/0.md").write_text("Nmap is bare.\n", encoding="utf8")
    (folder / "train/s.txt").write_text(f"no\n{LINE} [Zmap](TOOL).\n", encoding="utf8")
    return folder


def test_reports_are_written_and_counted(run, project, gold):
    done = run("check_gold")
    assert done.exit_code == 0, done.output
    printed = " ".join(done.stdout.split())  # lines are wrapped
    assert "2 labels under 20 spans or 8 documents: TOOL, PLACE" in printed
    assert "1 surfaces with several labels, 1 left bare somewhere, 1 groups of similar sentences" in printed
    assert f"{LINE} Zmap" not in printed
    written = json.loads((project / "corpus/gold.json").read_text(encoding="utf8"))
    assert written.keys() == {"labels", "sizes", "conflicts", "bare", "similar"}
    assert written["labels"]["TOOL"] == {"train": 2, "dev": 0, "test": 0, "documents": 1, "short_texts": 1}


def test_full_prints_every_entry_with_its_place(run, gold):
    lines = run("check_gold", "--full").stdout.splitlines()
    where = "assets/cyber/gold"
    for line in (
        f"{where}/train/s.txt:1: 1 words",
        f"'nmap': TOOL 1 x ({where}/train/0.md:1), PLACE 1 x ({where}/dev/0.md:1)",
        f"'Nmap': 2 x TOOL, 1 x bare ({where}/test/0.md:1)",
        "similar sentences in 2 file(s):",
        f"  {where}/train/s.txt:2: {LINE} Zmap.",
    ):
        assert line in lines


def test_problems_are_listed_and_nothing_is_written(run, project, gold):
    (gold / "train/s.txt").write_text("[a](KIT)\n[b](KTI)\n", encoding="utf8")
    done = run("check_gold")
    assert done.exit_code == 1 and not (project / "corpus/gold.json").exists()
    assert "train/s.txt:1: KIT on 'a' counts as TOOL; use TOOL" in done.output
    assert "train/s.txt:2: unknown label 'KTI' on 'b'. 2 problem(s) in assets/cyber/gold" in done.stderr


def test_quiet_prints_nothing(run, gold):
    assert run("check_gold", "--quiet", "--full").stdout == ""
