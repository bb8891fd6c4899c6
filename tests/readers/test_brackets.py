import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.brackets import parse_brackets, read_brackets
from tests.readers.fuzz import FUZZ, check_texts, damaged

TABLE = (
    "query\tparse\n"
    "kal wake me\t[IN:SET_ALARM [SL:DATE_TIME kal ] wake [SL:WHO me ] ]\r\n"
    'say "hi"\t[IN:SAY say " [SL:WHAT hi ] " ]\n'
    "none\tnone\n"
)


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "f.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_brackets(path, **({"parse": "parse"} | options)))

    return read


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans]


@pytest.mark.parametrize(
    ("parse", "text", "spans"),
    [
        pytest.param("[IN:A go to [SL:PLACE New Delhi ] now ]", "go to New Delhi now", [("New Delhi", "PLACE")], id="one"),
        pytest.param("[IN:A [SL:X a ] [SL:Y b ] ]", "a b", [("a", "X"), ("b", "Y")], id="adjacent"),
        pytest.param("[SL:OUT a [IN:B b [SL:IN c ] ] d ]", "a b c d", [("c", "IN"), ("a b c d", "OUT")], id="nested"),
        pytest.param("[SL:A [SL:B x ] ]", "x", [("x", "B"), ("x", "A")], id="nested on the same words"),
        pytest.param("[IN:A [ x [SL:B [y z] ] ]", "[x [y z]", [("[y z]", "B")], id="literal brackets"),
        pytest.param("no brackets , none", "no brackets, none", [], id="none"),
        pytest.param("[IN:A 🐍 [SL:B नमस्ते ] ]", "🐍 नमस्ते", [("नमस्ते", "B")], id="code points"),
    ],
)
def test_slots_are_spans_of_the_text_put_together(parse, text, spans):
    annotated = parse_brackets(parse)
    assert (annotated.text, found(annotated), annotated.damage) == (text, spans, "")


@pytest.mark.parametrize(
    ("parse", "damage", "labels"),
    [
        pytest.param("[SL:A x ] ]", "a ']' without its '['", ["A"], id="stray"),
        pytest.param("[IN:I [SL:A x", "a '[' without its ']'", ["A"], id="open"),
        pytest.param("[IN:I [SL:A x ] [SL:B", "a '[' without its ']'", ["A", "B"], id="open and empty"),
    ],
)
def test_brackets_that_do_not_match_are_damage_and_name_what_is_lost(parse, damage, labels):
    text = parse_brackets(parse)
    assert (text.damage, [span.origin for span in text.spans]) == (damage, labels)


def test_a_slot_without_a_token_is_a_dropped_span():
    text = parse_brackets("[IN:I a [SL:A ] b ]")
    assert [(span.origin, span.outcome) for span in text.spans] == [("A", "dropped")]
    assert text.problems == [text.spans[0].reason] and not text.damage


def test_each_row_is_a_text_and_a_document(read):
    first, second, third = read(TABLE)
    assert (first.text, found(first), first.line) == ("kal wake me", [("kal", "DATE_TIME"), ("me", "WHO")], 2)
    assert (second.text, found(second), second.line) == ('say "hi"', [("hi", "WHAT")], 3)
    assert (third.text, third.spans, third.damage) == ("none", [], "")
    assert first.where.endswith("f.tsv") and len({text.group for text in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("row", "damage"),
    [
        (b"only a query\n", "1 cells, expected 2"),
        (b"q\t[SL:A x ]\tmore\n", "3 cells, expected 2"),
        (b"q\t[SL:A x\xff ]\n", "byte 0xff is not UTF-8"),
        (b"q\t[SL:A x\0 ]\n", "a NUL byte"),
        (b"q\t\n", "no text"),
        (b"q\t[SL:A x\n", "a '[' without its ']'"),
    ],
)
def test_a_damaged_row_is_damage_and_the_others_are_read(read, row, damage):
    before, broken, after = read(b"q\tparse\nq\t[SL:A a ]\n" + row + b"q\t[SL:A b ]\n")
    assert (broken.damage, broken.line) == (damage, 3)
    assert found(before) == [("a", "A")] and found(after) == [("b", "A")]


def test_a_missing_column_names_those_there(read, tmp_path):
    with pytest.raises(Ner11Error) as error:
        read("query\tcs_parse\nx\tx\n")
    expected = "no column 'parse', only query, cs_parse. Correct the columns or the delimiter in datasets.yml."
    assert str(error.value) == f"{tmp_path}/f.tsv:1: {expected}"


def test_an_empty_file_has_no_texts(read):
    assert read("") == read("query\tparse\n") == []


def test_the_reader_is_registered():
    assert readers.get("brackets") is read_brackets


@FUZZ
@given(damaged(TABLE.encode()))
def test_damage_never_crashes(tmp_path, content):
    (tmp_path / "f.tsv").write_bytes(content)
    check_texts(lambda: read_brackets(tmp_path / "f.tsv", parse="parse"))


WORDS = st.lists(st.text("abz09,.'\"é🐍[", min_size=1), min_size=1, max_size=4)


@FUZZ
@given(
    st.recursive(
        WORDS.map(lambda words: ("", words)), lambda inner: st.tuples(st.just("L"), st.lists(inner, min_size=1, max_size=3))
    )
)
def test_balanced_brackets_give_every_span_with_its_words(tree):
    spans = []

    def write(node):
        label, inner = node
        if not label:
            return " ".join(inner), inner
        at = len(spans)
        spans.append("")
        written = [write(child) for child in inner]
        words = [word for _, child in written for word in child]
        spans[at] = "".join(words)
        return f"[SL:{label} {' '.join(parse for parse, _ in written)} ]", words

    parse, _ = write(tree)
    text = parse_brackets(f"[IN:ROOT {parse} ]")
    assert not text.damage
    assert sorted(text.text[span.start : span.end].replace(" ", "") for span in text.spans) == sorted(spans)
