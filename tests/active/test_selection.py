import itertools
from collections import Counter

import pytest

from ner11.active import candidates
from ner11.active.candidates import ANNOTATED, CERTAIN, COPY, Candidates, Wishes, batch_texts
from ner11.active.pool import PoolText
from ner11.active.selection import NEAR, select
from ner11.active.strategies import STRATEGIES, find_strategy
from ner11.errors import Ner11Error
from tests.active.test_near import LONG


def pool(*texts):
    return [PoolText(text) for text in texts]


def wishes(strategy="mnlp", count=3, random_share=0.0, **more):
    return Wishes(find_strategy(strategy), count, random_share, **more)


def texts_of(found):
    return [one.text.text for one in found.chosen]


GRADED = pool("w99", "w60", "w90", "w55", "w80", "w70")


def test_the_most_uncertain_come_first(stub):
    found = select(GRADED, stub, wishes())
    assert texts_of(found) == ["w55", "w60", "w70"]
    assert [one.uncertainty for one in found.chosen] == pytest.approx([0.45, 0.40, 0.30], abs=1e-6)
    assert not any(one.at_random for one in found.chosen)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_gives_as_many_as_wished_and_no_text_twice(stub, name):
    found = texts_of(select(GRADED, stub, wishes(name, 4, 0.25)))
    assert len(set(found)) == len(found) == 4


def test_a_random_share_is_drawn_from_the_whole_pool_and_spread(stub):
    texts = pool(*(f"w{number} text{number}" for number in range(51, 99)), *(f"sure{i}" for i in range(400)))
    found = select(texts, stub, wishes(count=20, random_share=0.25))
    places = [i for i, one in enumerate(found.chosen) if one.at_random]
    assert places == [2, 6, 10, 14, 18] or (len(places) == 5 and max(b - a for a, b in itertools.pairwise(places)) <= 5)
    drawn = Counter(
        one.text.text.startswith("sure")
        for seed in range(30)
        for one in select(texts, stub, wishes(count=4, random_share=0.5, seed=seed)).chosen
        if one.at_random
    )
    assert drawn[True] / (drawn[True] + drawn[False]) == pytest.approx(400 / 448, abs=0.12)


def test_of_a_pool_with_fewer_texts_than_wished_only_its_share_is_drawn(stub):
    found = select(GRADED, stub, wishes(count=500, random_share=1 / 3))
    assert [one.at_random for one in found.chosen].count(True) == 2 and len(found.chosen) == len(GRADED)
    chosen = [one.uncertainty for one in found.chosen if not one.at_random]
    assert chosen == sorted(chosen, reverse=True)


def test_the_seed_decides(stub):
    texts = pool(*(f"text {i}" for i in range(100)))
    first, again, other = (texts_of(select(texts, stub, wishes("random", 5, seed=seed))) for seed in (1, 1, 2))
    assert first == again != other


def test_random_reads_no_more_than_it_chooses(stub):
    select(pool(*(f"text {i}" for i in range(500))), stub, wishes("random", 5))
    assert stub.read_texts == 5


def test_known_texts_are_left_out(stub):
    near = [f"{LONG} w{number}" for number in (60, 61, 62)]
    texts = [*pool("w55", "W55", "w60", *near), PoolText("w51", annotated=True)]
    found = select(texts, stub, wishes(count=9), annotated=["w60", "a text " * 20])
    assert texts_of(found) == ["w55", near[0]]
    assert found.left_out == {ANNOTATED: 2, COPY: 1, NEAR: 2}


def test_near_copies_of_annotated_texts_are_left_out(stub):
    found = select(pool(f"{LONG} w51", "w99"), stub, wishes(count=2), annotated=[LONG])
    assert texts_of(found) == ["w99"]


def test_a_threshold_holds_for_what_is_chosen_not_for_what_is_drawn(stub):
    found = select(GRADED, stub, wishes(count=6, threshold=0.35))
    assert texts_of(found) == ["w55", "w60"]
    assert found.left_out[CERTAIN] == 4
    drawn = select(GRADED, stub, wishes(count=6, random_share=0.5, threshold=0.35))
    assert sum(one.at_random for one in drawn.chosen) == 3


def test_a_strategy_by_the_token_prefers_short_texts(stub):
    texts = pool("w52 sure sure sure", "w60 sure", "w70")
    assert texts_of(select(texts, stub, wishes("margin")))[0] == "w52 sure sure sure"
    assert texts_of(select(texts, stub, wishes("margin-per-token")))[0] == "w70"


def test_core_set_keeps_away_from_what_is_annotated(stub):
    texts = pool("a" * 10, "b" * 12, "c" * 90)
    assert texts_of(select(texts, stub, wishes("core-set", 1), annotated=["d" * 11])) == ["c" * 90]
    assert texts_of(select(texts, stub, wishes("core-set", 1), annotated=["d" * 91, "e" * 12])) == ["a" * 10]


def test_memory_is_bounded_by_what_is_wished(stub, monkeypatch):
    monkeypatch.setattr(candidates, "CANDIDATES", 50)
    for name in ("mnlp", "k-means"):
        stream = Candidates(wishes(name, 5, 0.2), stub, Counter())
        assert stream.run((PoolText(f"text {i}") for i in range(3000)), set()) == 3000
        assert len(stream.best.ranked()) == (20 if name == "mnlp" else 50)
        assert len(stream.drawn.ranked()) == 4
    assert stub.most <= candidates.BATCH_TEXTS


def test_batches_are_bounded_by_characters():
    sizes = [len(batch) for batch in batch_texts(pool(*["x" * 20_000] * 5, "x" * 60_000, *["y"] * 300))]
    assert sizes == [2, 2, 1, 1, 256, 44]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "0 texts"),
        ({"random_share": 1.5}, "random share is 1.5"),
        ({"threshold": -0.1}, "threshold is -0.1"),
    ],
)
def test_odd_wishes_are_refused(values, message):
    with pytest.raises(Ner11Error, match=message):
        wishes(**values)


def test_an_empty_pool_is_told(stub):
    with pytest.raises(Ner11Error, match="no text is left"):
        select(pool("w55"), stub, wishes(), annotated=["w55"])


def test_an_unknown_strategy_is_told():
    with pytest.raises(Ner11Error, match="there is no strategy 'entropy'"):
        find_strategy("entropy")
