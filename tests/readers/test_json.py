import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ner11.errors import Ner11Error
from ner11.readers import files, json_records, readers
from ner11.readers.json import read_json, read_jsonl
from tests.readers.fuzz import FUZZ, check_texts, damaged

ANN = {"text": "Ann went to Oslo.", "spans": [{"start": 0, "end": 3, "label": "P"}, {"start": 12, "end": 16, "label": "L"}]}
FOUND = [("Ann", "P"), ("Oslo", "L")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "f.json"


@pytest.fixture
def one(path):
    """Read one record."""

    def one(record, **options):
        path.write_text(json.dumps(record), encoding="utf8")
        (text,) = read_json(path, records="", **options)
        return text

    return one


@pytest.fixture
def lines(path):
    """Read a file of one record a line."""

    def lines(content, **options):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_jsonl(path, **options))

    return lines


@pytest.fixture
def whole(path):
    """Read a file that is one JSON value."""

    def whole(content, **options):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_json(path, **options))

    return whole


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans if span.outcome == "kept"]


def fates(text):
    return [(span.origin, span.outcome, span.reason) for span in text.spans]


# Where things stand in a record


@pytest.mark.parametrize(
    ("record", "options"),
    [
        pytest.param(ANN, {}, id="default"),
        pytest.param(
            {"text": ANN["text"], "label": [[0, 3, "P"], [12, 16, "L"]]},
            {"spans": "label", "start": 0, "end": 1, "label": 2},
            id="lists",
        ),
        pytest.param(
            [ANN["text"], {"entities": [[0, 3, "P"], [12, 16, "L"]]}],
            {"text": "0", "spans": "1.entities", "start": 0, "end": 1, "label": 2},
            id="the record is a list",
        ),
        pytest.param(
            {
                "data": {"text": ANN["text"]},
                "out": [
                    {"result": [{"value": {"start": 0, "end": 3, "labels": ["P"]}}]},
                    {"result": [{"value": {"start": 12, "end": 16, "labels": ["L"]}}]},
                ],
            },
            {"text": "data.text", "spans": "out.*.result", "start": "value.start", "end": "value.end", "label": "value.labels"},
            id="steps",
        ),
        pytest.param({"text": ANN["text"], "T": {"T1": ANN["spans"][0], "T2": ANN["spans"][1]}}, {"spans": "T.*"}, id="object"),
        pytest.param(
            {"text": ANN["text"], "a": ANN["spans"][:1], "b": {"c": ANN["spans"][1]}},
            {"spans": ["a", "b.c"]},
            id="several paths, one span",
        ),
        pytest.param(
            {"text": ANN["text"], "e": [{"at": [[0, 1], [1, 3]], "t": "P"}, {"at": [[12, 16]], "t": "L"}]},
            {"spans": "e", "start": "at.0.0", "end": "at.-1.1", "label": "t"},
            id="pieces",
        ),
        pytest.param(
            {"text": ANN["text"], "spans": [{"start": 0, "end": 2, "label": "P"}, {"start": 12, "end": 15, "label": "L"}]},
            {"inclusive_end": True},
            id="inclusive end",
        ),
        pytest.param(
            {
                "text": ANN["text"],
                "spans": [{"start": "0", "end": "3", "label": "P"}, {"start": 12.0, "end": 1.6e1, "label": "L"}],
            },
            {},
            id="integers in disguise",
        ),
        pytest.param(
            [{"text": "Ann", "type": "P"}, {"text": " went to "}, {"text": "Oslo", "type": "L"}, {"text": ".", "type": None}],
            {"chunks": "", "label": "type"},
            id="chunks",
        ),
    ],
)
def test_layouts(one, record, options):
    text = one(record, **options)
    assert (text.text, found(text)) == (ANN["text"], FOUND)
    assert not text.problems and not text.damage


def test_offsets_are_passed_through_with_the_surface_and_not_checked(one):
    (span,) = one({"text": "ab", "spans": [{"start": 5, "end": 9, "label": "A", "text": "none"}]}, surface="text").spans
    assert (span.start, span.end, span.surface, span.outcome) == (5, 9, "none", "kept")


@pytest.mark.parametrize(("depth", "label"), [(None, "A/B/C"), (1, "A"), (2, "A/B"), (9, "A/B/C")])
def test_label_depth(one, depth, label):
    record = {"text": "ab", "spans": [{"start": 0, "end": 1, "label": "A/B/C"}]}
    assert one(record, label_depth=depth).spans[0].origin == label


@pytest.mark.parametrize(("name", "group"), [("D1", "D1"), (7, "7")])
def test_records_of_a_document_form_a_group(lines, name, group):
    record = json.dumps({**ANN, "meta": {"doc": name}})
    assert [text.group for text in lines(f"{record}\n{record}\n", group="meta.doc")] == [group, group]


@pytest.mark.parametrize("options", [{}, {"group": "meta.doc"}])
def test_without_a_document_each_record_is_its_own_group(lines, options):
    first, second = lines('{"text":"a","spans":[]}\n{"text":"a","spans":[]}', **options)
    assert first.group != second.group and bool(first.problems) == bool(options)


# Offsets that count tokens


@pytest.mark.parametrize("extra", [{"text": "Ann  Lee isn't\tthere"}, {}], ids=["aligned", "no text"])
@pytest.mark.parametrize(("end", "options"), [(2, {}), (1, {"inclusive_end": True})])
def test_token_offsets(one, extra, end, options):
    record = {**extra, "tokens": ["Ann", "Lee", "is", "n't", "there"],
              "spans": [{"start": 0, "end": end, "label": "P"}, {"start": 3, "end": 3 + end - 1, "label": "N"}]}  # fmt: skip
    text = one(record, tokens="tokens", unit="tokens", **options)
    assert [surface.split() for surface, _ in found(text)] == [["Ann", "Lee"], ["n't"]]
    assert text.text == extra.get("text", "Ann Lee isn't there")
    assert bool(text.problems) == (not extra)


@pytest.mark.parametrize("text", ["Ann, Oslo", "Ann in Oslo then", "Ann in"])
def test_a_text_that_differs_from_its_tokens_is_built_from_them(one, text):
    record = {"text": text, "tokens": ["Ann", "in", "Oslo"], "spans": [{"start": 2, "end": 3, "label": "L"}]}
    built = one(record, tokens="tokens", unit="tokens")
    assert (built.text, found(built), built.problems) == ("Ann in Oslo", [("Oslo", "L")], ["the text differs from its tokens"])


@pytest.mark.parametrize(("start", "end"), [(0, 4), (3, 4), (1, 1), (2, 1), (-1, 1)])
def test_token_offsets_outside_the_tokens_are_dropped(one, start, end):
    text = one({"text": "a b c", "tokens": ["a", "b", "c"], "spans": [{"start": start, "end": end, "label": "L"}]},
               tokens="tokens", unit="tokens")  # fmt: skip
    ((origin, outcome, reason),) = fates(text)
    assert (origin, outcome) == ("L", "dropped") and reason


@pytest.mark.parametrize("tokens", [None, ["a", 5], [None]])
def test_a_record_without_usable_tokens_is_damage(one, tokens):
    text = one({"text": "a b", "tokens": tokens, "spans": [{"start": 0, "end": 1, "label": "L"}]}, tokens="tokens", unit="tokens")
    assert text.damage and len(text.spans) == 1


# One tag a token

TAGGED = {"tokens": ["Ann", "Lee", "is", "in", "Oslo", "."], "ner_tags": ["B-P", "I-P", "O", "O", "B-L", "O"]}
TAGS = {"tokens": "tokens", "tags": "ner_tags"}
NAMES = ["O", "B-P", "I-P", "B-L"]


@pytest.mark.parametrize(
    ("record", "options"),
    [
        pytest.param(TAGGED, {}, id="names"),
        pytest.param({**TAGGED, "ner_tags": [1, 2, 0, 0, 3, 0]}, {"names": NAMES}, id="integers"),
        pytest.param({**TAGGED, "ner_tags": ["B-P", 2, "O", 0, "B-L", 0]}, {"names": NAMES}, id="both"),
        pytest.param({**TAGGED, "ner_tags": ["P", "P", "O", "O", "L", "O"]}, {"bare": True}, id="bare"),
        pytest.param(
            {**TAGGED, "ner_tags": [["B-P", "I-P", "O"], ["O", "B-L", "O"]]}, {"tags": "ner_tags.*"}, id="list of lists"
        ),
        pytest.param({"data": TAGGED, "text": "ignored"}, {"tokens": "data.tokens", "tags": "data.ner_tags"}, id="below a key"),
    ],
)
def test_tags(one, record, options):
    text = one(record, **(TAGS | options))
    assert (text.text, found(text)) == ("Ann Lee is in Oslo.", [("Ann Lee", "P"), ("Oslo", "L")])
    assert not text.problems and not text.damage


def test_layers_of_tags_may_overlap(one):
    text = one({"tokens": ["Ann", "Lee"], "a": ["B-P", "I-P"], "b": ["O", "B-F"]}, tokens="tokens", tags=["a", "b"])
    assert found(text) == [("Ann Lee", "P"), ("Lee", "F")]


@pytest.mark.parametrize(
    ("tags", "names", "damage"),
    [
        (["B-P"], None, "1 tags for 2 tokens"),
        (["B-P", "O", "B-L"], None, "3 tags for 2 tokens"),
        ([], None, "0 tags for 2 tokens"),
        (None, None, "no tags at 'ner_tags'"),
        ([0, 1], None, "tags that are integers, and no 'names' for them"),
        ([0, 9], NAMES, "no name for the tag 9"),
        ([0, -1], NAMES, "no name for the tag -1"),
        (["O", None], None, "a tag that is neither string nor integer"),
        (["O", True], NAMES, "a tag that is neither string nor integer"),
        (5, None, "1 tags for 2 tokens"),
    ],
)
def test_tags_that_cannot_be_used_are_damage(one, tags, names, damage):
    text = one({"tokens": ["Ann", "Lee"], "ner_tags": tags}, **TAGS, **({"names": names} if names else {}))
    assert (text.text, text.damage) == ("Ann Lee", damage)


@pytest.mark.parametrize("tokens", [None, [], [1, 2]])
def test_tags_without_tokens_are_damage_that_tells_their_spans(one, tokens):
    text = one({"tokens": tokens, "ner_tags": ["B-P", "I-P", "B-L"]}, **TAGS)
    assert text.damage and [span.origin for span in text.spans] == ["P", "L"]


def test_a_tag_that_is_none_makes_an_unknown_span(one):
    text = one({"tokens": ["Ann", "Lee", ""], "ner_tags": ["X", "B-P", "B-L"]}, **TAGS)
    assert [fate[:2] for fate in fates(text)] == [("?", "unknown"), ("P", "kept"), ("L", "dropped")]
    assert text.problems and not text.damage


# What a span lacks


@pytest.mark.parametrize(
    ("span", "fate"),
    [
        ({"start": 0, "end": 1}, ("?", "unknown", "no label")),
        ({"start": 0, "end": 1, "label": ""}, ("?", "unknown", "no label")),
        ({"start": 0, "end": 1, "label": []}, ("?", "unknown", "no label")),
        ({"start": 0, "end": 1, "label": ["A"]}, ("A", "kept", "")),
        ({"start": 0, "end": 1, "label": ["A", "B"]}, ("A|B", "unknown", "several labels")),
        ({"start": 0, "end": 1, "label": 3}, ("3", "kept", "")),
        ({"start": 0, "end": 1, "label": {"a": 1}}, ("?", "unknown", "a label that is no string")),
        ({"start": 0, "end": 1, "label": [["A"], 2]}, ("?", "unknown", "a label that is no string")),
        ({"start": 0, "label": "A"}, ("A", "dropped", "an offset that is no integer")),
        ({"start": True, "end": 1, "label": "A"}, ("A", "dropped", "an offset that is no integer")),
        ({"start": 0.5, "end": 1, "label": "A"}, ("A", "dropped", "an offset that is no integer")),
        ({"start": "x", "end": "²", "label": "A"}, ("A", "dropped", "an offset that is no integer")),
        ({"start": float("nan"), "end": float("inf"), "label": "A"}, ("A", "dropped", "an offset that is no integer")),
        ({"start": 2, "end": 1, "label": "A"}, ("A", "kept", "")),
        ({"start": -1, "end": 1, "label": "A"}, ("A", "kept", "")),
        (None, ("?", "dropped", "no span but a single value")),
        ("A", ("?", "dropped", "no span but a single value")),
        ([], ("?", "dropped", "an offset that is no integer")),
    ],
    ids=repr,
)
def test_a_span_that_cannot_be_used_is_accounted_for(one, span, fate):
    good = {"start": 0, "end": 1, "label": "G"}
    text = one({"text": "ab", "spans": [good, span, good]})
    assert fates(text) == [("G", "kept", ""), fate, ("G", "kept", "")]
    assert text.problems == [fate[2]] * bool(fate[2])


@pytest.mark.parametrize("events", ["oops", {"a": {"spans": []}, "b": 5}, [{"spans": []}, True]])
def test_a_value_where_spans_should_be_below_is_accounted_for(one, events):
    assert [fate[1] for fate in fates(one({"text": "ab", "events": events}, spans="events.*.spans"))] == ["dropped"]


@pytest.mark.parametrize("record", [{"text": "ab"}, {"text": "ab", "spans": None}])
def test_a_record_without_its_list_of_spans_is_noted(one, record):
    assert one(record).problems == ["nothing at 'spans'"]


# Damage


@pytest.mark.parametrize("record", [5, None, "x", [], {}, {"text": None}, {"text": 5}, {"text": ["a"]}], ids=repr)
def test_a_record_without_text_is_damage(one, record):
    text = one(record)
    assert text.damage and not text.problems


def test_the_spans_of_a_record_without_text_say_what_is_lost(one):
    assert [span.origin for span in one({**ANN, "text": None}).spans] == ["P", "L"]


@pytest.mark.parametrize("chunks", [None, {}, [{"text": "a"}, {}], [5]])
def test_chunks_without_text_are_damage(one, chunks):
    assert one({"data": chunks}, chunks="data").damage


BAD = {
    "no JSON": b'{"text": "a" "b"}',
    "broken off": b'{"text": "a", "spans": [{',
    "not UTF-8": b'{"text": "caf\xe9", "spans": [{"start": 0, "end": 4, "label": "A"}]}',
    "NUL": b'{"text": "a\0b", "spans": []}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "digits": b'{"text": "a", "spans": [{"start": ' + b"9" * 5000 + b"}]}",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_broken_line_costs_no_other(lines, bad):
    good = json.dumps(ANN).encode()
    texts = lines(b"\n".join([good, b"", bad, good]))
    assert [(text.line, bool(text.damage)) for text in texts] == [(1, False), (3, True), (4, False)]
    assert found(texts[2]) == FOUND


@pytest.mark.parametrize(
    "bad", [bad for name, bad in BAD.items() if name != "broken off"], ids=[n for n in BAD if n != "broken off"]
)
def test_a_broken_record_costs_no_other(whole, bad):
    good = json.dumps(ANN, indent=1).encode()
    texts = whole(b"[" + b",\n".join([good, bad, good]) + b"]")
    line = good.count(b"\n") + 2
    assert [(text.line, bool(text.damage)) for text in texts] == [(1, False), (line, True), (line + 1, False)]
    assert found(texts[2]) == FOUND


def test_a_line_that_is_too_long_is_damage(lines, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE", 2**20)
    assert [bool(text.damage) for text in lines(f'{{"text": "{"x" * 2**21}"}}\n{json.dumps(ANN)}')] == [True, False]


def test_spans_of_a_record_that_is_no_utf8_say_what_is_lost(lines):
    (text,) = lines(BAD["not UTF-8"])
    assert (found(text), text.damage) == ([("caf\ufffd", "A")], "byte 0xe9 is not UTF-8")


def test_the_place_of_broken_json_inside_a_record_is_named(whole):
    (text,) = whole('[\n{"text": "a",\n"spans" []}]')
    assert text.line == 2 and text.damage.startswith("line 3: ")


@pytest.mark.parametrize(
    "rest", ["", ", ", ",\n{", ',\n{"text": "b', ',\n{"text": "b"}', ',\n"', ",]", "{}]", "]]", "]{}", ":", "}"]
)
def test_a_file_that_breaks_off_gives_what_stands_before(whole, rest):
    texts = whole("[\n" + json.dumps(ANN) + rest)
    assert found(texts[0]) == FOUND and not texts[0].damage
    assert "rest of the file" in texts[-1].damage and texts[-1].line == 2 + rest.count("\n")


def test_a_quote_that_is_not_closed_costs_no_other_record(whole):
    good = json.dumps(ANN)
    texts = whole(f'[{good},\n{{"text": "a,\n"spans": []\n}},\n{good}]')
    assert [bool(text.damage) for text in texts] == [False, True, False]


@pytest.mark.parametrize("half", ["\\ud83d", "\\udc00"])
def test_half_of_a_surrogate_pair_becomes_a_replacement_of_the_same_length(lines, half):
    (text,) = lines(f'{{"text": "a {half} é Oslo", "spans": [{{"start": 6, "end": 10, "label": "L{half}", "s": "{half}"}}]}}',
                    surface="s")  # fmt: skip
    assert (text.text, found(text)) == ("a \ufffd é Oslo", [("Oslo", "L\ufffd")])
    assert text.problems == ["half of a surrogate pair"] and text.spans[0].surface == "\ufffd"


@pytest.mark.parametrize("escaped", ["\\ud83d\\ude00", "\\uD83D\\uDE00", "\\\\ud83d", "\\\\\\\\udc00\\\\"])
def test_other_escapes_stay_as_they_are(lines, escaped):
    (text,) = lines(f'{{"text": "{escaped} é", "spans": []}}')
    assert (text.text, text.problems) == (json.loads(f'"{escaped} é"'), [])


@pytest.mark.parametrize("extra", ['"x": NaN, "y": -Infinity, "z": 1e999', '"text": "old"', '"t": "a\tb"'])
def test_json_that_others_write_is_read(whole, extra):
    (text,) = whole(f"[{{{extra}, {json.dumps(ANN)[1:]}]")
    assert found(text) == FOUND and not text.damage


# The file as a whole


@pytest.mark.parametrize(
    ("records", "value", "count"),
    [
        ("item", [ANN, ANN], 2),
        ("*", [ANN, ANN], 2),
        ("*", {"a": ANN, "b": ANN}, 2),
        ("", ANN, 1),
        ("data.item", {"version": [1, {"data": [0]}], "data": [ANN], "more": {"data": 1}}, 1),
        ("a.item.b.item", {"a": [{"b": [ANN, ANN]}, {"c": []}, 5, {"b": [ANN]}]}, 3),
        ("item", [], 0),
        ("a.item", {"a": []}, 0),
        ("*", {}, 0),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [7, 2**20])
def test_records_are_found_with_their_lines(whole, monkeypatch, records, value, count, indent, block):
    monkeypatch.setattr(json_records, "_BLOCK", block)
    content = json.dumps(value, indent=indent)
    texts = whole(content, records=records)
    assert [found(text) for text in texts] == [FOUND] * count
    for text in texts:
        assert content.split("\n")[text.line - 1].lstrip().startswith(("{", '"a": {', '"b": {', '"a": [{', "[{"))
    assert len({text.group for text in texts}) == count


@pytest.mark.parametrize("content", ['{"a": []}', "5", "nonsense", '"item"', '[{"a": 1}]'])
def test_a_path_that_leads_nowhere_is_an_error(whole, path, content):
    with pytest.raises(Ner11Error) as error:
        whole(content, records="b.item")
    assert str(error.value) == f"{path}:1: no records at 'b.item'. Correct 'records' in datasets.yml."


@pytest.mark.parametrize("content", [b"", b" \r\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_texts(whole, lines, content):
    assert whole(content) == [] and lines(content) == []


def test_byte_order_mark_and_crlf_leave_no_trace(whole, lines):
    record = b"\xef\xbb\xbf" + json.dumps(ANN).encode() + b"\r\n"
    assert found(whole(record, records="")[0]) == found(lines(record)[0]) == FOUND


@pytest.mark.parametrize("keep", [True, False], ids=["record", "beside the records"])
def test_a_value_that_does_not_end_is_not_kept_in_memory(whole, monkeypatch, keep):
    monkeypatch.setattr(json_records, "MAX_LINE", 2**20)
    texts = whole(b'{"a": ["' + b"x" * 2**22 + b'"], "b": []}', records="a.item" if keep else "b.item")
    assert [text.damage for text in texts] == ["a value over 1 MiB; the rest of the file is not read"]


@pytest.mark.parametrize(
    "options",
    [{"span": "x"}, {"unit": "bytes"}, {"unit": "tokens"}, {"text": None}, {"label_depth": 0}, {"spans": []},
     {"chunks": "a", "spans": "b"}, {"tags": "a"}, {"tags": "a", "tokens": "b", "spans": "c"}, {"names": ["O"]}, {"bare": True}],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_options_that_make_no_sense_are_refused_before_reading(path, name, options):
    with pytest.raises(ValidationError):
        readers.get(name)(path, **options)


# Whatever the damage

_LAYOUT = {"tokens": "tokens", "unit": "tokens", "spans": ["spans", "more.*.spans"], "group": "doc"}
_TAGS = {"tokens": "tokens", "tags": ["more.*.tags", "tags"], "names": NAMES}
_RECORD = {
    "doc": "d",
    "tags": ["B-P", 0, "O", 3],
    "text": "Ann é in Oslo",
    "tokens": ["Ann", "é", "in", "Oslo"],
    "spans": [{"start": 0, "end": 1, "label": "P"}],
    "more": [{"spans": [{"start": 3, "end": 4, "label": ["L"]}], "tags": ["O"] * 4}],
}
_LINES = (json.dumps(_RECORD, ensure_ascii=False) + "\n").encode() * 4
_WHOLE = json.dumps([_RECORD] * 4, ensure_ascii=False, indent=1).encode()


@FUZZ
@given(content=damaged(_LINES), options=st.sampled_from([{}, _LAYOUT, _TAGS]))
def test_damaged_lines_never_crash(tmp_path, content, options):
    (tmp_path / "f").write_bytes(content)
    texts = check_texts(lambda: read_jsonl(tmp_path / "f", **options))
    assert len(texts) == sum(1 for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip())


@FUZZ
@given(content=damaged(_WHOLE), options=st.sampled_from([{}, _LAYOUT, _TAGS]), block=st.sampled_from([1, 5, 1000]))
def test_a_damaged_file_never_crashes_and_is_read_alike_in_any_blocks(tmp_path, content, options, block):
    (tmp_path / "f").write_bytes(content)
    texts = check_texts(lambda: read_json(tmp_path / "f", **options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_BLOCK", block)
        assert check_texts(lambda: read_json(tmp_path / "f", **options)) == texts


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | st.text(max_size=4) | st.sampled_from(["label", "0", "end"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "spans", "start", "end", "label", "tokens", "more"]), inner, max_size=5)
    ),
    max_leaves=25,
)


@FUZZ
@given(
    value=_VALUES,
    options=st.sampled_from(
        [
            {},
            _LAYOUT,
            {"chunks": "spans"},
            {"tokens": "tokens", "tags": "spans"},
            {"start": 0, "end": 1, "label": 2, "spans": "*"},
        ]
    ),
)
def test_any_json_is_accounted_for(tmp_path, value, options):
    (tmp_path / "f").write_text(json.dumps(value), encoding="utf8")
    (text,) = check_texts(lambda: read_json(tmp_path / "f", records="", **options))
    text.text.encode()
    for span in text.spans:
        span.origin.encode()


@FUZZ
@given(
    records=st.lists(
        st.builds(
            lambda text, places: {"text": text, "spans": [{"start": min(p), "end": max(p), "label": "A"} for p in places]},
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
            st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4),
        )
    ),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
    block=st.sampled_from([1, 16, 2**20]),
)
def test_a_sound_file_gives_every_span(tmp_path, records, ascii_only, indent, block):
    whole, lines = tmp_path / "f.json", tmp_path / "f.jsonl"
    whole.write_bytes(json.dumps(records, ensure_ascii=ascii_only, indent=indent).encode())
    lines.write_bytes("".join(json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_BLOCK", block)
        for texts in (list(read_json(whole)), list(read_jsonl(lines))):
            assert [text.text for text in texts] == [record["text"] for record in records]
            for text, record in zip(texts, records, strict=True):
                assert [(s.start, s.end, s.outcome) for s in text.spans] == [
                    (s["start"], s["end"], "kept") for s in record["spans"]
                ]
                assert not text.damage and not text.problems


def test_only_the_wished_records_are_read(tmp_path):
    path = tmp_path / "a.jsonl"
    records = [{"text": "a", "spans": [], "answer": answer} for answer in ("accept", "reject", "ignore")]
    path.write_text("\n".join(json.dumps(record) for record in [*records, {"text": "b", "spans": []}]))
    texts = list(readers.get("jsonl")(path, only={"answer": "accept"}))
    assert [text.damage for text in texts] == ["", *["left out by the rule 'only': answer"] * 3]
