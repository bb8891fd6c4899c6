import json
from collections import Counter

import pytest

from ner11.active.pool import DAMAGED, EMPTY, LONG, MAX_CHARACTERS, PoolText, list_pool, read_pool
from ner11.errors import Ner11Error


def task(text, annotations=None, **data):
    return {"id": 7, "data": {"text": text, **data}, **({} if annotations is None else {"annotations": annotations})}


def write(folder, name, content):
    (folder / name).write_text(content, encoding="utf8")


def test_every_kind_of_file_gives_its_texts(tmp_path):
    write(tmp_path, "a.txt", "first line\n\nsecond line\n")
    write(tmp_path, "b.jsonl", "\n".join(map(json.dumps, [{"text": "plain"}, {"data": {"text": "task", "source": "x"}}])))
    write(tmp_path, "c.json", json.dumps([task("listed", source="y"), {"text": "record", "label": 1}]))
    write(tmp_path, "notes.md", "not a pool")
    found = list(read_pool(list_pool(tmp_path)))
    assert [text.text for text in found] == ["first line", "second line", "plain", "task", "listed", "record"]
    assert [text.data for text in found] == [{}, {}, {}, {"source": "x"}, {"source": "y"}, {}]


@pytest.mark.parametrize(
    ("annotations", "annotated"),
    [
        ([{"result": []}], True),
        ([{"result": [], "was_cancelled": True}], False),
        ([{"result": [], "was_cancelled": True}, {"result": []}], True),
        ([], False),
        (None, False),
        ("odd", False),
    ],
)
def test_a_task_is_annotated_unless_it_was_skipped(tmp_path, annotations, annotated):
    write(tmp_path, "a.json", json.dumps([task("text", annotations)]))
    assert list(read_pool([tmp_path / "a.json"])) == [PoolText("text", {}, annotated)]


def test_what_cannot_be_used_is_counted(tmp_path):
    records = ["{broken", "3", '{"text": null}', '{"text": 5}', '{"text": "a\\u0000b"}', '{"other": "x"}', '{"text": " "}']
    records += [json.dumps({"text": "x" * (MAX_CHARACTERS + 1)}), '{"text": "good"}']
    records += [json.dumps(task("no JSON to others", score=value)) for value in (float("nan"), float("inf"))]
    write(tmp_path, "a.jsonl", "\n".join(records))
    counts = Counter()
    assert [text.text for text in read_pool([tmp_path / "a.jsonl"], left_out=counts)] == ["good"]
    assert counts == {DAMAGED: 4, EMPTY: 5, LONG: 1}


def test_another_key_holds_the_text(tmp_path):
    write(tmp_path, "a.jsonl", '{"data": {"body": "here", "text": "there"}}')
    assert list(read_pool([tmp_path / "a.jsonl"], key="body")) == [PoolText("here", {"text": "there"})]


def test_mistakes_are_told(tmp_path):
    write(tmp_path, "a.csv", "text\n")
    for path, message in [(tmp_path / "none", "no such file"), (tmp_path / "a.csv", "no texts"), (tmp_path, "no texts")]:
        with pytest.raises(Ner11Error, match=message):
            list_pool(path)
    write(tmp_path, "a.json", '"text"')
    with pytest.raises(Ner11Error, match="Give a list of objects"):
        list(read_pool([tmp_path / "a.json"]))
