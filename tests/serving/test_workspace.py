import json
from pathlib import Path

import pytest

from ner11.corpus.convert import assign_split
from ner11.datasets import load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.schema import load_schema
from ner11.serving.workspace import fit_entry, make_workspace

ROOT = Path(__file__).parents[2]
DATASETS = "configs/domains/cyber/datasets.yml"
SCHEMA = load_schema(ROOT / "configs/domains/cyber/schema.yml")
XML = '<View><Labels name="label" toName="text">{}</Labels><Text name="text" value="$text"/></View>'


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project/assets/cyber/gold/train").mkdir(parents=True)
    (tmp_path / "project/assets/cyber/gold/train/0.md").write_text("Gold.\n")
    (tmp_path / "project/corpus").mkdir()
    (tmp_path / "project/configs").symlink_to(ROOT / "configs")
    return tmp_path / "project"


@pytest.fixture
def make(project, tmp_path):
    """Makes a workspace for so many annotated texts of project 1, and gives its entry of them."""

    def make(texts, configs=None):
        annotation = {"result": [], "updated_at": "2026"}
        tasks = [{"id": i, "data": {"text": f"Text {i}."}, "annotations": [annotation]} for i in range(texts)]
        (project / "assets/cyber/annotated").mkdir(exist_ok=True)
        (project / "assets/cyber/annotated/project-1.json").write_text(json.dumps(tasks))
        make_workspace(tmp_path / "workspace", root=project, domain="cyber")
        fit_entry(tmp_path / "workspace", domain="cyber", configs=configs or {}, seed=0, schema=SCHEMA)
        return next(one for one in load_datasets(tmp_path / "workspace" / DATASETS) if one.name == "annotated")

    return make


def test_a_workspace_shows_the_inputs_but_not_what_the_project_made(make, tmp_path):
    make(1)
    workspace = tmp_path / "workspace"
    assert (workspace / "assets/cyber/gold/train/0.md").read_text() == "Gold.\n"
    assert not (workspace / "corpus").exists() and not (workspace / "configs").is_symlink()
    (workspace / "left.txt").touch()
    make(1)
    assert not (workspace / "left.txt").exists()


def test_a_tenth_is_held_out_unless_that_is_nothing_or_all(make):
    few, many = make(3), make(100)
    assert few.hold_out == {} and many.hold_out == {"dev": 0.1}
    assert {assign_split(many, f"project-1:task {i}", 0) for i in range(100)} == {"train", "dev"}


def test_texts_cover_only_what_their_project_offers(make):
    entry = make(100, {1: XML.format('<Label value="MALWARE"/><Label value="ACTIVITY"/><Label value="TOOL"/>'), 2: "<broken"})
    assert [(group.match, group.coverage) for group in entry.groups] == [("project-1:*", ["MALWARE", "TOOL"])]


def test_the_other_entries_stay_as_they_are(make, tmp_path):
    make(3, {1: XML.format('<Label value="MALWARE"/>')})
    before, after = (load_datasets(path / DATASETS) for path in (ROOT, tmp_path / "workspace"))
    assert [one.model_dump() for one in before if one.name != "annotated"] == [
        one.model_dump() for one in after if one.name != "annotated"
    ]


def test_a_project_without_annotated_texts_is_not_disturbed(project):
    for path in (ROOT / "configs/domains").glob("*/datasets.yml"):
        entry = next(one for one in load_datasets(path) if one.name == "annotated")
        assert (entry.tier, entry.labels, sorted(entry.splits)) == ("gold", "schema", ["train"]) and "test" not in entry.hold_out
    (project / "assets/cyber/gold/dev").mkdir()
    (project / "assets/cyber/gold/test").mkdir()
    present, _ = select_datasets(load_datasets(ROOT / DATASETS), "present", root=project)
    assert [one.name for one in present] == ["gold"]


def test_a_domain_that_is_not_there_is_one_line(project, tmp_path):
    with pytest.raises(Ner11Error, match=r"no such domain\. Set NER11_DOMAIN"):
        make_workspace(tmp_path / "workspace", root=project, domain="nowhere")
