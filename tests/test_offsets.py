import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.offsets import ELSEWHERE, LINE_ENDS, NEARBY, OUTSIDE, SHIFTED, UTF16, repair_offsets


def repaired(content, *spans):
    """Repair spans given as (start, end, surface), or (start, end, surface, outcome, reason)."""
    text = AnnotatedText(content)
    for start, end, surface, *fate in spans:
        outcome, reason = fate or ("kept", "")
        text.spans.append(LabelledSpan(start, end, "X", surface=surface, outcome=outcome, reason=reason))
    repair_offsets(text)
    return [(content[span.start : span.end], span.outcome, span.reason) for span in text.spans]


@pytest.mark.parametrize(
    ("content", "start", "end", "surface"),
    [
        ("Ann Lee sat", 0, 7, "Ann Lee"),
        ("Ann\nLee sat", 0, 7, "Ann Lee"),
        ("Ann\xa0Lee sat", 0, 7, "Ann Lee"),
        ("Ann\r\nLee sat", 0, 8, "Ann\nLee"),
        ("Ann Lee sat", 3, 8, " Lee "),
        ('a 3" pipe', 2, 4, "3'"),
        ("O’Hara sat", 0, 6, "O'Hara"),
    ],
)
def test_a_surface_that_differs_in_blanks_or_quotes_alone_is_left_as_it_is(content, start, end, surface):
    assert repaired(content, (start, end, surface)) == [(content[start:end], "kept", "")]


@pytest.mark.parametrize(
    ("content", "span", "surface", "reason"),
    [
        pytest.param("😀😀 Oslo Bergen Oslo", (5, 9), "Oslo", UTF16, id="UTF-16"),
        pytest.param("😀 in Oslo", (6, 10), "Oslo", UTF16, id="UTF-16, past the end"),
        pytest.param("a\nb\nin Oslo or Oslo", (9, 13), "Oslo", LINE_ENDS, id="CRLF counted, LF in the text"),
        pytest.param("a\r\nb\r\nin Oslo or Oslo", (7, 11), "Oslo", LINE_ENDS, id="LF counted, CRLF in the text"),
        pytest.param("a\r\nNew\r\nYork", (2, 10), "New\nYork", LINE_ENDS, id="over a line break"),
        pytest.param("They met in Oslo.", (10, 14), "Oslo", NEARBY, id="too early"),
        pytest.param("They met in Oslo.", (14, 18), "Oslo", NEARBY, id="too late and past the end"),
        pytest.param("They met in Oslo.", (12, 12), "Oslo", NEARBY, id="empty"),
        pytest.param("Oslo met Oslo", (2, 6), "Oslo", NEARBY, id="the nearer of two"),
        pytest.param("Now it waits to sit", (15, 17), "it", NEARBY, id="not in a word"),
        pytest.param("New\nYork is big", (2, 10), "New York", NEARBY, id="another blank"),
        pytest.param("人在北京工作", (3, 5), "北京", NEARBY, id="a script without blanks"),
        pytest.param("in Oslo", (-4, 0), "Oslo", NEARBY, id="counted from the end"),
    ],
)
def test_a_span_is_moved_to_where_its_surface_stands(content, span, surface, reason):
    ((found, outcome, why),) = repaired(content, (*span, surface))
    assert (found.split(), outcome, why) == (surface.split(), "repaired", reason)


def test_a_shift_that_spans_share_decides_between_occurrences():
    content = "Oslo beat Oslo; Bergen and Lee sat"
    shifted = [(12, 16, "Oslo"), (18, 24, "Bergen"), (29, 32, "Lee")]
    assert repaired(content, *shifted) == [(surface, "repaired", SHIFTED) for _, _, surface in shifted]
    assert repaired(content, (7, 11, "Oslo")) == [("Oslo", "repaired", NEARBY)]


def test_a_span_within_a_word_follows_the_shift_of_its_text():
    content = "A malware author of Oslo"
    assert repaired(content, (3, 6, "mal"), (11, 17, "author"), (21, 25, "Oslo"))[0] == ("mal", "repaired", SHIFTED)


def test_a_span_told_twice_proves_no_shift_of_the_text():
    assert {reason for _, _, reason in repaired("in Oslo", (2, 6, "Oslo"), (2, 6, "Oslo"))} == {NEARBY}


@pytest.mark.parametrize(
    ("content", "span", "surface"),
    [
        pytest.param("They met in Oslo.", (0, 4), "Bonn", id="not in the text"),
        pytest.param("Lee met Lee", (4, 7), "Lee", id="two equally near"),
        pytest.param("Oslo" + 60 * " x", (100, 104), "Oslo", id="too far"),
        pytest.param("sitting here", (8, 10), "it", id="in a word only"),
    ],
)
def test_a_span_that_nothing_proves_keeps_its_place_as_unknown(content, span, surface):
    assert repaired(content, (*span, surface)) == [(content[slice(*span)], "unknown", ELSEWHERE)]


@pytest.mark.parametrize("surface", [None, "", " ", "Bonn"])
@pytest.mark.parametrize("span", [(-3, 2), (3, 3), (4, 2), (2, 8), (9, 12), (10**30, 10**30 + 4), (-(10**30), 4)])
def test_offsets_that_mark_nothing_are_dropped(span, surface):
    assert repaired("in Oslo", (*span, surface))[0][1:] == ("dropped", OUTSIDE)


@pytest.mark.parametrize("surface", [None, "", " "])
def test_a_span_without_a_surface_is_trusted_within_the_text(surface):
    assert repaired("in Oslo", (3, 7, surface)) == [("Oslo", "kept", "")]


@pytest.mark.parametrize(
    ("span", "found"),
    [
        ((3, 7, None, "unknown", "why"), ("Oslo", "unknown", "why")),
        ((2, 6, "Oslo", "unknown", "why"), ("Oslo", "unknown", "why")),
        ((2, 6, "Bonn", "unknown", "why"), (" Osl", "unknown", "why")),
        ((3, 9, None, "unknown", "why"), ("Oslo", "dropped", OUTSIDE)),
        ((0, 0, "Oslo", "dropped", "why"), ("", "dropped", "why")),
    ],
)
def test_a_span_with_a_fate_keeps_it(span, found):
    assert repaired("in Oslo", span) == [found]


WORDS = st.lists(st.sampled_from(["Oslo", "Bergen", "it", "😀", "a", "of", "Lee", "é"]), min_size=1, max_size=30)


@settings(deadline=None, derandomize=True)
@given(WORDS, st.sampled_from([" ", "\n", "\r\n"]), st.integers(-12, 12), st.data())
def test_spans_counted_another_way_come_out_where_they_stand_or_as_unsure(words, blank, shift, data):
    content = blank.join(words)
    count = data.draw(
        st.sampled_from(
            [
                lambda prefix: len(prefix) + shift,
                lambda prefix: len(prefix.encode("utf-16-le")) // 2,
                lambda prefix: len(prefix.replace("\r\n", "\n")),
                lambda prefix: len(prefix.replace("\r\n", "\n").replace("\n", "\r\n")),
            ]
        )
    )
    text = AnnotatedText(content)
    start = 0
    for word in words:
        text.spans.append(LabelledSpan(count(content[:start]), count(content[: start + len(word)]), "X", surface=word))
        start += len(word) + len(blank)
    repair_offsets(text)
    for span in text.spans:
        if span.outcome in ("kept", "repaired"):
            assert content[span.start : span.end].split() == [span.surface]
        assert span.reason or span.outcome == "kept"
    if len(set(words)) == len(words):
        assert all(span.outcome in ("kept", "repaired") for span in text.spans)


@settings(deadline=None, derandomize=True)
@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.integers(), st.integers(), st.one_of(st.none(), st.text(max_size=5))), max_size=5),
)
def test_any_offsets_come_out_inside_the_text_or_dropped(content, spans):
    text = AnnotatedText(content, [LabelledSpan(start, end, "X", surface=surface) for start, end, surface in spans])
    repair_offsets(text)
    for span in text.spans:
        assert span.outcome == "dropped" or 0 <= span.start < span.end <= len(content)
    before = [(span.start, span.end, span.outcome) for span in text.spans]
    repair_offsets(text)
    assert before == [(span.start, span.end, span.outcome) for span in text.spans]
