import json
from pathlib import Path

import pytest
from hypothesis import given

from ner11.errors import Ner11Error
from ner11.offsets import repair_offsets
from ner11.readers import readers
from ner11.readers.label_studio import read_label_studio
from tests.readers.fuzz import FUZZ, check_texts, damaged

EXPORT = Path(__file__).parent.parent / "fixtures" / "label_studio_export.json"
TEXT = "Lee of Acme flew to Oslo."


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "f.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return list(read_label_studio(path, **options))

    return read


def region(start, end, *labels, kind="labels", **more):
    value = {"start": start, "end": end, "text": TEXT[slice(start, end)] if isinstance(start, int) else "", kind: list(labels)}
    return {"id": "r", "from_name": "label", "to_name": "text", "type": kind, "value": value} | more


def annotation(*result, **more):
    return {"id": 1, "completed_by": 1, "result": list(result), "was_cancelled": False, "ground_truth": False} | more


def task(*annotations, number=5, **data):
    return {"id": number, "annotations": list(annotations), "data": {"text": TEXT} | data}


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans]


def fates(text):
    return [(span.origin, span.outcome, span.reason) for span in text.spans]


LEE, ACME, OSLO = region(0, 3, "PER"), region(7, 11, "ORG"), region(20, 24, "LOC")


def test_a_real_export_gives_the_ground_truth_and_nothing_of_predictions_or_cancelled_annotations(tmp_path):
    first, second = read_label_studio(EXPORT)
    assert found(first) == [("Alice", "PER")]
    assert first.problems == ["a cancelled annotation", "annotators disagree, ground truth used"]
    assert (second.spans, second.damage, second.problems) == ([], "", [])
    assert second.text == "  leading spaces <b>Bob</b> &amp; Co\n\nnext"
    assert first.where == f"{EXPORT}: task 5" and first.group != second.group


def test_a_real_export_with_awkward_regions(read):
    tasks = json.loads(EXPORT.read_text("utf8"))
    tasks[0]["annotations"] = tasks[0]["annotations"][:1]
    text = read(tasks)[0]
    assert [*zip(found(text), fates(text), strict=True)] == [
        (("Alice", "PER"), ("PER", "kept", "")),
        (("Acme\r\nCorp", "ORG"), ("ORG", "kept", "")),
        (("Acme", "ORG"), ("ORG", "kept", "")),
        (("Paris", "ORG|PER"), ("ORG|PER", "unknown", "several labels")),
        ((" ", "?"), ("?", "unknown", "no label")),
    ]


def test_regions_become_spans_with_their_surfaces(read, tmp_path):
    (text,) = read([task(annotation(LEE, OSLO))])
    assert (text.text, found(text), text.damage, text.problems) == (TEXT, [("Lee", "PER"), ("Oslo", "LOC")], "", [])
    assert [span.surface for span in text.spans] == ["Lee", "Oslo"]
    assert (text.where, text.line) == (f"{tmp_path}/f.json: task 5", 1)


@pytest.mark.parametrize(
    "item",
    [
        {**region(0, 3, "sure", kind="choices")},
        {"id": "r", "from_name": "norm", "type": "textarea", "value": {"start": 0, "end": 3, "text": ["L."]}},
        {"from_id": "a", "to_id": "b", "type": "relation", "labels": ["works_for"]},
        {"id": "z", "from_name": "mood", "type": "choices", "value": {"choices": ["good"]}},
        {"id": "z", "from_name": "topic", "type": "taxonomy", "value": {"start": 0, "end": 3, "taxonomy": [["a"]]}},
    ],
    ids=["choice of a region", "text of a region", "relation", "choice of the task", "taxonomy"],
)
def test_what_is_no_region_makes_no_span(read, item):
    assert found(read([task(annotation(LEE, item))])[0]) == [("Lee", "PER")]


@pytest.mark.parametrize(
    ("item", "fate"),
    [
        pytest.param(region(0, 3), ("?", "unknown", "no label"), id="no label"),
        pytest.param({"type": "labels", "value": {"start": 0, "end": 3}}, ("?", "unknown", "no label"), id="no labels key"),
        pytest.param(region(0, 3, "B", "A", "A"), ("A|B", "unknown", "several labels"), id="several"),
        pytest.param(region("x", 3, "A"), ("A", "dropped", "an offset that is no integer"), id="text for a number"),
        pytest.param(region(0, None, "A"), ("A", "dropped", "an offset that is no integer"), id="no end"),
        pytest.param({"type": "labels"}, ("?", "dropped", "an offset that is no integer"), id="no value"),
        pytest.param(7, ("?", "dropped", "an offset that is no integer"), id="no object"),
    ],
)
def test_a_region_that_is_no_entity_says_why(read, item, fate):
    (text,) = read([task(annotation(OSLO, item))])
    assert fates(text) == [("LOC", "kept", ""), fate]


def test_nests_and_repeats_pass_through(read):
    assert found(read([task(annotation(region(0, 11, "A"), LEE, LEE))])[0]) == [
        ("Lee of Acme", "A"),
        ("Lee", "PER"),
        ("Lee", "PER"),
    ]


def test_hypertext_uses_global_offsets(read):
    paths = {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 3, "endOffset": 6, "hypertextlabels": ["PER"]}
    near = {"type": "hypertextlabels", "value": paths | {"globalOffsets": {"start": 0, "end": 3}, "text": "Lee"}}
    far = {"type": "hypertextlabels", "value": paths}
    text = read([task(annotation(near, far))])[0]
    assert found(text)[0] == ("Lee", "PER")
    assert fates(text)[1] == ("PER", "dropped", "an offset that is no integer")


@pytest.mark.parametrize(
    ("content", "written", "surface"),
    [
        ("New\nYork", r"New\nYork", "New\nYork"),
        ("New\r\nYork", "New\r\\nYork", "New\r\nYork"),
        (r"C:\new", r"C:\new", r"C:\new"),
        ("New York", None, None),
        ("New York", ["New York"], None),
    ],
)
def test_escaped_line_breaks_of_a_surface_are_undone(read, content, written, surface):
    item = region(0, len(content), "A")
    item["value"]["text"] = written
    text = read([task(annotation(item), text=content)])[0]
    repair_offsets(text)
    assert [(span.surface, span.outcome) for span in text.spans] == [(surface, "kept")]


@pytest.mark.parametrize(
    ("annotations", "spans", "problems"),
    [
        pytest.param(
            [annotation(LEE, updated_at="2026-02"), annotation(ACME, updated_at="2026-01")],
            ["PER"],
            ["annotators disagree"],
            id="updated last",
        ),
        pytest.param(
            [annotation(LEE, ground_truth=True, updated_at="2026-01"), annotation(ACME, updated_at="2026-02")],
            ["PER"],
            ["annotators disagree, ground truth used"],
            id="ground truth",
        ),
        pytest.param([annotation(LEE, OSLO), annotation(OSLO, LEE)], ["LOC", "PER"], [], id="agreed"),
        pytest.param(
            [annotation(LEE), annotation(ACME, was_cancelled=True, ground_truth=True)],
            ["PER"],
            ["a cancelled annotation"],
            id="cancelled",
        ),
        pytest.param([annotation(LEE), {"id": 2}, 7], ["PER"], ["a damaged annotation"] * 2, id="damaged"),
        pytest.param([annotation(LEE, completed_by={"id": 1, "email": "a@b.c"})], ["PER"], [], id="annotator as object"),
    ],
)
def test_of_several_annotations_one_is_used(read, annotations, spans, problems):
    (text,) = read([task(*annotations)])
    assert (sorted(label for _, label in found(text)), text.problems, text.damage) == (spans, problems, "")


@pytest.mark.parametrize(
    ("record", "problems"),
    [
        (task(), []),
        (task(annotation(LEE, was_cancelled=True)), ["a cancelled annotation"]),
        (task(7), ["a damaged annotation"]),
        ({"data": {"text": TEXT}, "predictions": [{"result": [LEE]}], "drafts": [{"result": [LEE]}]}, []),
        ({"id": 3, "text": TEXT}, []),
    ],
    ids=["none", "cancelled", "damaged", "predicted", "bare row"],
)
def test_a_task_that_nobody_annotated_is_no_text_without_entities(read, record, problems):
    (text,) = read([record])
    assert (text.damage, text.spans, text.problems) == ("no annotation", [], problems)


@pytest.mark.parametrize(
    ("data", "options", "content", "problems"),
    [
        ({"body": "Hi"}, {"text": "body"}, "Hi", []),
        ({"$undefined$": "Hi", "title": "T"}, {}, "Hi", []),
        ({"body": "Hi", "n": 1}, {}, "Hi", ["no text under 'text', read from 'body'"]),
    ],
)
def test_the_text_is_found_in_the_data(read, data, options, content, problems):
    (text,) = read([{"id": 1, "data": data, "annotations": [annotation()]}], **options)
    assert (text.text, text.problems, text.damage) == (content, problems, "")


@pytest.mark.parametrize("data", [{}, None, {"a": "A", "b": "B"}, {"text": 5}, {"text": [{"author": "A"}]}, {"text": " "}])
def test_a_task_without_a_text_is_damage_that_tells_its_spans(read, data):
    text, after = read([{"id": 1, "data": data, "annotations": [annotation(LEE)]}, task(annotation(LEE))])
    assert (text.damage, [span.origin for span in text.spans]) == ("no text under 'text'", ["PER"])
    assert not after.damage


def test_a_nul_character_is_damage(read):
    assert read([task(annotation(), text="a\0b")])[0].damage == "a NUL character"


def test_only_the_regions_of_one_control(read):
    records = [task(annotation(LEE, OSLO | {"from_name": "places"}))]
    assert found(read(records, from_name="places")[0]) == [("Oslo", "LOC")]


def test_groups_are_tasks_or_a_data_field(read):
    records = [task(annotation(), number=i, doc=doc) for i, doc in enumerate(["a", "a", 7, None])]
    assert len({text.group for text in read(records)}) == 4
    texts = read(records, group="doc")
    assert [text.group for text in texts[:3]] == ["a", "a", "7"]
    assert texts[3].group and texts[3].problems == ["no document name under 'doc'"]


def row(*regions, number=1, **more):
    values = [item["value"] for item in regions]
    return (
        {"text": TEXT, "id": number, "annotator": 1, "annotation_id": 9, "updated_at": "2026-01"}
        | more
        | ({"label": values} if values else {})
    )


def test_json_min(read):
    texts = read([row(LEE, region(7, 11, "A", "B"), sentiment="good"), row(number=2), row(OSLO, number=3)])
    assert [found(text) for text in texts] == [[("Lee", "PER"), ("Acme", "A|B")], [], [("Oslo", "LOC")]]
    assert [text.damage for text in texts] == ["", "", ""]
    assert found(read([row(LEE)], from_name="other")[0]) == []


def test_rows_of_json_min_for_one_task_are_one_text(read):
    first, second = read([row(LEE, updated_at="2026-02"), row(ACME), row(LEE, number=2)])
    assert (found(first), first.problems, second.problems) == ([("Lee", "PER")], ["annotators disagree"], [])
    assert len(read([row(LEE) | {"id": None}] * 2)) == 2


def test_a_broken_row_of_json_min_does_not_damage_the_other_annotations_of_its_task(read):
    good = json.dumps(row(LEE)).encode()
    texts = read(b"[" + b", ".join([good, good.replace(b"flew", b"fl\xffw"), good]) + b"]")
    assert [(bool(text.damage), found(text)[0][1]) for text in texts] == [(False, "PER"), (True, "PER"), (False, "PER")]
    assert len({text.group for text in texts}) == 1


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b"\xef\xbb\xbf[]"], ids=repr)
def test_an_empty_export_has_no_texts(read, content):
    assert read(content) == []


def test_a_byte_order_mark_leaves_no_trace(read):
    assert len(read(b"\xef\xbb\xbf \r\n" + json.dumps([task(annotation(LEE))]).encode())) == 1


@pytest.mark.parametrize("content", [b'{"id": 1}', b"x", b"\xff\xfe[\0]\0"], ids=ascii)
def test_a_file_that_is_no_list_of_tasks_is_named(read, tmp_path, content):
    with pytest.raises(Ner11Error) as error:
        read(content)
    assert str(error.value).startswith(f"{tmp_path}/f.json") and error.value.fix
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "rest", [b"", b",", b',\n{"id": 6, "data', b"] x", b"}", b",\n" + b"[" * 5000], ids=lambda rest: ascii(rest[:10])
)
@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN"])
def test_a_broken_export_gives_the_tasks_before(read, tmp_path, rest, kind):
    whole = json.dumps(
        [task(annotation(LEE)), task(annotation(OSLO), number=6)] if kind == "JSON" else [row(LEE, number=5), row(OSLO, number=6)]
    )
    first, second, broken = read(b"\n" + whole[:-1].encode() + rest)
    assert (found(first), found(second), first.damage, second.damage) == ([("Lee", "PER")], [("Oslo", "LOC")], "", "")
    assert "the rest of the file is not read" in broken.damage
    assert (broken.line, broken.where, broken.spans) == (2 + rest.count(b"\n"), f"{tmp_path}/f.json: record 3", [])


@pytest.mark.parametrize(
    ("bad", "damage"),
    [
        (b'{"data": {"text": "\xff"}}', "byte 0xff is not UTF-8"),
        (b'{"data": {"text": "\0"}}', "a NUL byte"),
        (b'{"data": {"text" "a"}}', "line 3: no JSON (Expecting ':' delimiter)"),
        (b"[" * 50_000 + b"]" * 50_000, "nested too deeply"),
        (b"NaN", "no text under 'text'"),
    ],
    ids=["encoding", "NUL", "syntax", "depth", "number"],
)
def test_a_broken_task_costs_no_other(read, bad, damage):
    good = json.dumps(task(annotation(LEE))).encode()
    texts = read(b"[\n" + b",\n".join([good, bad, good]) + b"]")
    assert [(text.damage, text.line) for text in texts] == [("", 2), (damage, 3), ("", 4)]
    assert found(texts[2]) == [("Lee", "PER")]


def test_the_line_of_a_task_is_given(read):
    content = json.dumps([task(annotation(LEE)), task(annotation(OSLO), number=6)], indent=1)
    texts = read(content.encode())
    lines = content.split("\n")
    assert [text.line for text in texts] == [2, lines.index(" {", 2) + 1]


def test_half_of_a_surrogate_pair_becomes_a_replacement_of_the_same_length(read):
    (text,) = read(json.dumps([task(annotation(region(20, 24, "LOC")), text=TEXT.replace("Lee", "\ud83dee"))]).encode())
    assert (text.text[0], found(text), text.problems) == ("\ufffd", [("Oslo", "LOC")], ["half of a surrogate pair"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"none\.json"):
        list(read_label_studio(tmp_path / "none.json"))


@pytest.mark.parametrize(
    "record", [None, 7, "x", [], [{"text": "a"}], {}, {"annotations": {}}, {"annotations": [{"result": {}}]}]
)
def test_a_record_that_is_no_task_is_damage(read, record):
    text, after = read([record, task(annotation(LEE))])
    assert text.damage and not after.damage


def test_tasks_are_streamed(tmp_path):
    path = tmp_path / "f.json"
    path.write_text(json.dumps([task(annotation(LEE))] * 5000)[:-5])
    assert next(read_label_studio(path)).text == TEXT


def test_the_reader_is_registered():
    assert readers.get("label_studio") is read_label_studio


@FUZZ
@given(damaged(EXPORT.read_bytes() + b"\n"))
def test_damaged_exports_end_in_located_errors_or_whole_texts(tmp_path, content):
    path = tmp_path / "f.json"
    path.write_bytes(content)
    for text in check_texts(lambda: read_label_studio(path)):
        repair_offsets(text)


@FUZZ
@given(damaged(json.dumps([row(LEE), row(number=2), row(OSLO, number=3)]).encode()))
def test_damaged_json_min_ends_in_located_errors_or_whole_texts(tmp_path, content):
    path = tmp_path / "f.json"
    path.write_bytes(content)
    check_texts(lambda: read_label_studio(path))
