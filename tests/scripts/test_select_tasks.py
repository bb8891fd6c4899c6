"""Choosing tasks by the command, with a toy pipeline."""

import json

import pytest

from tests.active.conftest import toy_pipelines  # noqa: F401  (a fixture)
from tests.scripts.test_bad_input import the_line


@pytest.fixture
def pool(project):
    path = project / "pool.txt"
    path.write_text("".join(f"zz saw qq qq and word{i}\n" for i in range(12)), encoding="utf8")
    return path


def test_tasks_are_written_with_predictions(run, project, pool, toy_pipelines):  # noqa: F811
    done = run("select_tasks", str(pool), "--model", str(toy_pipelines["onnx"]), "--count", "5", "--random-share", "0.2")
    assert done.exit_code == 0, done.output
    tasks = json.loads((project / "training/selected.json").read_text())
    assert len(tasks) == 5
    assert [task["meta"]["chosen_by"] for task in tasks].count("random") == 1
    assert all(task["predictions"][0]["model_version"] == "en_pipeline-0.0.0" for task in tasks)
    assert "12 texts read" in done.stdout
    assert "5 tasks, 1 of them drawn at random" in done.stdout


def test_annotated_texts_of_an_export_are_not_asked_again(run, project, pool, toy_pipelines):  # noqa: F811
    annotated = [{"data": {"text": f"zz saw qq qq and word{i}"}, "annotations": [{"result": []}]} for i in range(10)]
    (project / "export.json").write_text(json.dumps(annotated))
    done = run("select_tasks", str(pool), "--model", str(toy_pipelines["onnx"]), "--annotated", "export.json")
    assert done.exit_code == 0, done.output
    texts = [task["data"]["text"] for task in json.loads((project / "training/selected.json").read_text())]
    assert sorted(texts) == ["zz saw qq qq and word10", "zz saw qq qq and word11"]
    assert "Only 2 of 500" in done.stdout


def test_annotated_texts_are_left_out_under_the_field_of_the_pool(run, project, toy_pipelines):  # noqa: F811
    tasks = [{"data": {"body": f"zz saw qq qq and word{i}"}, "annotations": [{"result": []}]} for i in range(3)]
    (project / "an export.json").write_text(json.dumps(tasks[1:]))
    (project / "my pool").mkdir()
    (project / "my pool/old.json").mkdir()  # a folder is no file of the pool, whatever its name
    (project / "my pool/texts.jsonl").write_text("".join(json.dumps({"body": task["data"]["body"]}) + "\n" for task in tasks))
    arguments = ["my pool", "--key", "body", "--annotated", "an export.json, an export.json"]
    done = run("select_tasks", *arguments, "--model", str(toy_pipelines["onnx"]))
    assert done.exit_code == 0, done.output
    (task,) = json.loads((project / "training/selected.json").read_text())
    assert task["data"]["body"] == "zz saw qq qq and word0" and task["meta"]["chosen_by"] == "strategy"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.txt"], "none.txt: no such file or folder"),
        (["pool.txt", "--strategy", "clever"], "there is no strategy 'clever'"),
        (["pool.txt", "--count", "0"], "0 texts cannot be chosen"),
        (["pool.txt", "--model", "none"], "none: cannot be loaded"),
        ([""], "--vars.pool: no pool"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_old_file(run, project, pool, arguments, line):
    out = project / "training/selected.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text("old")
    done = run("select_tasks", *arguments)
    assert line in the_line(done)
    assert out.read_text() == "old"
