import random

import numpy as np
import pytest

from ner11.corpus.duplicates import SIMILARITY, decide, list_documents
from ner11.corpus.index import read_index
from tests.corpus.conftest import put

LONG = "The group sent {} mails to a bank in {} and got {} answers from its staff within {} days of that first wave of mails"
OTHER = "Rain fell on the empty harbor while nobody at all was looking out of the tall windows of the old customs house"


def near(i):
    """Give the i-th of texts that differ in digits only."""
    return LONG.format(10 + i, "Oslo", 20 + i, 30 + i)


@pytest.fixture
def decided(tmp_path):
    """Decide on data sets given as {name: {split: texts}} or {name: ({split: texts}, settings)}."""

    def decided(**sets):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, given in sets.items():
            splits, settings = given if isinstance(given, tuple) else (given, {})
            put(folder, name, splits, **settings)
        docs = list_documents([folder / name for name in sets])
        decisions = decide(docs)
        names = [
            f"{docs.sources[source]}/{('test', 'dev', 'train')[split]}{row}"
            for source, split, row in zip(docs.source, docs.split, docs.row, strict=True)
        ]
        leaves = {}
        for i, into in enumerate(decisions.into):
            if into >= 0:
                assert decisions.into[into] < 0, "what a text leaves for stays"
                how = [word for word in ("merged", "near", "part") if getattr(decisions, word)[i]]
                leaves[names[i]] = (names[into], *how)
        return leaves, decisions.leaks

    return decided


@pytest.mark.parametrize(
    "other", ["Emotet hit Kyiv", "EMOTET hit kyiv", "Emotet  hit\n Kyiv "], ids=["equal", "casing", "blanks"]
)
@pytest.mark.parametrize(("protected", "leaves"), [("test", "dev"), ("test", "train"), ("dev", "train")])
def test_a_text_of_a_protected_split_leaves_the_others(decided, other, protected, leaves):
    found, leaks = decided(a={leaves: [other, "else"]}, b=({protected: ["Emotet hit Kyiv"]}, {"tier": "expert", "coverage": []}))
    assert found == {f"a/{leaves}0": (f"b/{protected}0",)}
    assert leaks == ({("b", "a", leaves): (1, 0, 0)} if protected == "test" else {})


def test_a_text_of_all_splits_stays_in_test_only(decided):
    found, leaks = decided(a={split: ["same text"] for split in ("train", "dev", "test")})
    assert found == {"a/train0": ("a/test0",), "a/dev0": ("a/test0",)}
    assert leaks == {("a", "a", "train"): (1, 0, 0), ("a", "a", "dev"): (1, 0, 0)}


def test_test_sets_stay_whole(decided):
    assert decided(a={"test": ["same text", "Same text", near(0)]}, b={"test": ["same text", near(1)]}) == ({}, {})


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        pytest.param({"tier": "expert"}, {"tier": "gold"}, "b", id="better tier"),
        pytest.param({"tier": "gold"}, {"tier": "expert"}, "a", id="worse tier"),
        pytest.param({"tier": "expert"}, {"tier": "gold", "coverage": ["TOOL"]}, "b", id="tier before coverage"),
        pytest.param({"coverage": ["TOOL"]}, {"coverage": ["TOOL", "PLACE"]}, "b", id="wider coverage"),
        pytest.param({}, {}, "a", id="equal: the first"),
    ],
)
def test_equal_texts_are_merged_into_the_most_telling(decided, split, first, second, winner):
    found, leaks = decided(a=({split: ["same text"]}, first), b=({split: ["Same  Text"]}, second))
    loser = {"a": "b", "b": "a"}[winner]
    assert (found, leaks) == ({f"{loser}/{split}0": (f"{winner}/{split}0", "merged")}, {})


def test_equal_texts_within_a_source_are_merged(decided):
    assert decided(a={"train": ["same text", "else", "same text"]})[0] == {"a/train2": ("a/train0", "merged")}


def test_a_silver_text_stays_beside_its_original_and_goes_with_it(decided):
    silver = {"tier": "silver", "coverage": []}
    assert decided(a={"train": ["one text"]}, s=({"train": ["one text", "one text"]}, silver))[0] == {
        "s/train1": ("s/train0", "merged")
    }
    found, _ = decided(a={"train": ["one text"], "test": ["one text"]}, s=({"train": ["one text"]}, silver))
    assert found == {"a/train0": ("a/test0",), "s/train0": ("a/test0",)}
    sets = {"a": {"train": [near(0)], "test": [near(1), near(2)]}, "s": ({"train": [near(0)]}, silver)}
    assert decided(**sets)[0].keys() == {"a/train0", "s/train0"}


@pytest.mark.parametrize(("protected", "leaves"), [("test", "dev"), ("test", "train"), ("dev", "train")])
def test_a_text_that_is_nearly_in_a_protected_split_leaves(decided, protected, leaves):
    found, leaks = decided(a={protected: [near(0)], leaves: [near(1), OTHER, near(2)]})
    assert found == {f"a/{leaves}0": (f"a/{protected}0", "near"), f"a/{leaves}2": (f"a/{protected}0", "near")}
    assert leaks == ({("a", "a", leaves): (0, 1, 0)} if protected == "test" else {})


def test_near_duplicates_stay_within_a_source_and_leave_for_another(decided):
    assert decided(a={"train": [near(0), near(1)]})[0] == {}
    found, leaks = decided(a=({"train": [near(0), near(1)]}, {"tier": "expert"}), b={"train": [near(2)]})
    assert found == {"a/train0": ("b/train0", "near"), "a/train1": ("b/train0", "near")}
    assert leaks == {}


def test_short_texts_are_compared_as_they_are(decided):
    assert decided(a={"test": ["Version 1 is out"], "train": ["Version 2 is out"]}) == ({}, {})


def test_what_was_merged_into_a_text_that_leaves_is_removed_with_it(decided):
    found, leaks = decided(a={"train": [near(0)], "test": [near(1)]}, b=({"train": [near(0)]}, {"tier": "expert"}))
    assert found == {"a/train0": ("a/test0", "near"), "b/train0": ("a/test0", "near")}
    assert leaks == {("a", "a", "train"): (0, 1, 0)}


def test_what_is_in_dev_leaves_for_test_if_dev_does(decided):
    found, _ = decided(a={"train": [near(0)], "dev": [near(0)], "test": [near(1)]})
    assert found == {"a/train0": ("a/test0", "near"), "a/dev0": ("a/test0", "near")}


def test_a_test_text_that_leaked_as_it_is_does_not_count_as_nearly_leaked_too(decided):
    _, leaks = decided(a={"train": [near(0), near(1)], "test": [near(0), OTHER]})
    assert leaks == {("a", "a", "train"): (1, 0, 0)}


def test_leaks_are_counted_by_texts_of_test(decided):
    texts = ["one text", "two texts", near(0)]
    _, leaks = decided(
        a={"test": [*texts, OTHER], "train": ["one text"]}, b={"train": ["one text", "ONE text", "two texts", near(1), near(2)]}
    )
    assert leaks == {("a", "a", "train"): (1, 0, 0), ("a", "b", "train"): (2, 1, 0)}


SENTENCE = "The group sent many mails to a small bank in Oslo."


@pytest.mark.parametrize(
    ("protected", "other", "leaves"),
    [
        (f"Before. {SENTENCE} And behind.", SENTENCE, True),
        (SENTENCE, f"Before.\n{SENTENCE}", True),
        (f"Before. {SENTENCE}", f"{SENTENCE} Behind.", True),
        ("Before. Short one. Behind.", "Else. Short one. Other.", False),
        (f"Before. {SENTENCE}", f"{SENTENCE[:-1]} today. Behind.", False),
    ],
    ids=["part of test", "test is a part", "in both", "short", "another sentence"],
)
def test_a_text_that_shares_a_sentence_with_a_protected_one_leaves(decided, protected, other, leaves):
    for split in ("train", "dev"):
        assert decided(a={"test": [protected], split: [other]})[0] == ({f"a/{split}0": ("a/test0", "part")} if leaves else {})
    assert decided(a={"train": [protected, other], "dev": [], "test": ["x"]})[0] == {}


def test_a_dev_text_that_leaves_protects_nothing(decided):
    second = "Rain fell on the empty harbor of that town."
    found, _ = decided(a={"test": [SENTENCE], "dev": [f"{SENTENCE} {second}"], "train": [f"{second} And more."]})
    assert found == {"a/dev0": ("a/test0", "part")}


@pytest.mark.parametrize("seed", range(6))
def test_no_protected_text_stays_elsewhere(tmp_path, seed):
    rng = random.Random(seed)
    pool = [*(near(i) for i in range(6)), *(f"text {i}" for i in range(6)), f"{near(7)}. {near(8)}.", f"{OTHER}. {near(9)}."]
    for name in "abc":
        splits = {split: rng.choices(pool, k=8) for split in ("train", "dev", "test")}
        put(tmp_path, name, splits, tier=rng.choice(["gold", "expert", "silver"]))
    docs = list_documents([tmp_path / name for name in "abc"])
    made = decide(docs)
    stays = made.into < 0
    assert stays[docs.split == 0].all()
    assert (made.into[made.into[~stays]] < 0).all(), "what a text leaves for stays"
    assert (docs.split[made.into[~stays]] <= docs.split[~stays]).all()
    merged = made.merged
    assert (docs.key[merged] == docs.key[made.into[merged]]).all()
    signatures = np.concatenate([read_index(path, "signatures")[0] for path in docs.shards])
    for one in np.flatnonzero(stays & (docs.split == 2)):
        for other in np.flatnonzero(stays & (docs.split < 2)):
            assert docs.key[one] != docs.key[other]
            alike = (signatures[one] == signatures[other]).mean() if docs.bands[one, 0] and docs.bands[other, 0] else 0
            assert alike < SIMILARITY


def test_variants_in_digits_leave_however_many_there_are(decided):
    """Far more share each band than a text is compared with."""
    sets = {
        split: [f"Login of user bob from host {a}{b}{c} failed twice on port 22 today" for c in range(6)]
        for split, a, b in (("test", 1, 2), ("train", 3, 4))
    }
    found, leaks = decided(a=sets)
    assert found.keys() == {f"a/train{i}" for i in range(6)} and leaks["a", "a", "train"][1] >= 1


def test_a_sentence_is_known_by_its_words_however_it_is_tokenized(decided):
    sentence = "See http://a.b.c.d.e.f.g/h/i and go."
    found, leaks = decided(a={"test": [sentence], "train": [f"{sentence} Then something else happened over there today."]})
    assert found == {"a/train0": ("a/test0", "part")} and leaks == {("a", "a", "train"): (0, 0, 1)}


def test_who_follows_a_text_leaves_for_the_same_reason(decided):
    sentence = "The quick brown fox jumps over the lazy dog in Oslo."
    long = f"{sentence} And then it sleeps."
    found, _ = decided(a={"test": [sentence], "dev": [long], "train": [long]})
    assert found == {"a/dev0": ("a/test0", "part"), "a/train0": ("a/test0", "part")}
