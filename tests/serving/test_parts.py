import random

import pytest

from ner11.serving.entities import Entity
from ner11.serving.parts import CONTEXT, MOST, cut, join


def find_numbers(part, offset=0):
    """Find runs of digits, as a model that knows only the part."""
    found, start = [], None
    for i, char in enumerate([*part, " "]):
        if char.isdigit() and start is None:
            start = i
        elif not char.isdigit() and start is not None:
            found.append(Entity(start, i, "NUMBER", part[start:i], 0.5, ("NUMBER",)))
            start = None
    return found


def test_a_short_text_is_one_part():
    (part,) = cut("x" * MOST)
    assert (part.text, part.start, part.end) == ("x" * MOST, 0, MOST)


@pytest.mark.parametrize("seed", range(20))
def test_parts_find_what_the_whole_text_has(seed):
    rng = random.Random(seed)
    text = "".join(rng.choices(["word ", "123 ", "45.\n", "🙂", "end. ", "\n\n", "6789"], k=400))
    parts = [*cut(text, most=100, context=30)]
    assert "".join(text[part.start : part.end] for part in parts) == text
    assert all(part.end - part.start <= 100 and len(part.text) <= 160 for part in parts)
    assert join([(part, find_numbers(part.text)) for part in parts]) == find_numbers(text)


@pytest.mark.parametrize(("border", "after"), [("\n\n", 2), ("\n", 1), (". ", 2), (" ", 1), ("x", None)])
def test_parts_begin_at_the_best_border_there_is(border, after):
    text = "x" * 70 + border + "x" * 100
    first = next(cut(text, most=100, context=10))
    assert first.end == (100 if after is None else 70 + after)


def test_what_two_parts_find_differently_does_not_overlap():
    parts = [*cut("x" * 150, most=100, context=40)]
    long, short = Entity(90, 120, "A", "", 0.5, ()), Entity(45, 50, "B", "", 0.5, ())
    assert join([(parts[0], [long]), (parts[1], [short])]) == [long]


def test_context_is_small_beside_a_part():
    assert 10 * CONTEXT <= MOST
