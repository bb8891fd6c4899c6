import random
from collections import Counter

import pytest
import spacy
from spacy.tokens import Span

from ner11.corpus.merge import merge, text_key
from ner11.corpus.shards import read_docs, write_shards
from ner11.errors import Ner11Error

NLP = spacy.blank("en")
SPLITS = ("train", "dev", "test")


def doc(text, source, tier="gold", coverage=("A",), unclear=()):
    made = NLP.make_doc(text)
    made.ents = [Span(made, 0, 1, "A")]
    made.spans["ambiguous"] = [Span(made, 1, 2, label) for label in unclear]
    made.user_data = {"source": source, "tier": tier, "coverage": list(coverage), "weight": 1.0, "group": ""}
    return made


@pytest.fixture
def run(tmp_path):
    def run(*sets, seed=0, out="out"):
        folders = [tmp_path / f"set{i}" for i in range(len(sets))]
        for folder, splits in zip(folders, sets, strict=True):
            for split, docs in splits.items():
                write_shards(docs, folder / split)
        result = merge(folders, tmp_path / out, vocab=spacy.blank("en").vocab, seed=seed)
        read = {split: list(read_docs(tmp_path / out / split, NLP.vocab)) for split in SPLITS}
        return {split: [(made.text, made.user_data["source"]) for made in docs] for split, docs in read.items()}, result

    return run


def base(source="a", **more):
    return {split: [doc(f"only {split} of {source}", source), *more.get(split, ())] for split in SPLITS}


def others(pairs, source="a"):
    return [pair for pair in pairs if not pair[0].startswith("only ")]


def test_what_is_unique_stays(run):
    kept, result = run(base("a"), base("b"))
    for split in SPLITS:
        assert sorted(kept[split]) == [(f"only {split} of a", "a"), (f"only {split} of b", "b")]
    assert not result.removed
    assert result.texts == Counter({(split, source): 1 for split in SPLITS for source in "ab"})
    assert result.spans == Counter({(split, source, "A"): 1 for split in SPLITS for source in "ab"})


@pytest.mark.parametrize(
    "other", ["Emotet hit Kyiv", "EMOTET hit kyiv", "Emotet  hit\n Kyiv ", "Emotet\u2028hit Kyiv\u00a0"], ids=ascii
)
@pytest.mark.parametrize(
    ("protected", "leaves"), [("test", "dev"), ("test", "train"), ("dev", "train")], ids=lambda split: f"{split}"
)
def test_a_text_of_a_protected_split_leaves_the_others(run, other, protected, leaves):
    kept, result = run(
        base("a", **{leaves: [doc(other, "a", tier="gold", coverage="AB", unclear="?")]}),
        base("b", **{protected: [doc("Emotet hit Kyiv", "b", tier="silver")]}),
    )
    assert others(kept[protected]) == [("Emotet hit Kyiv", "b")]
    assert others(kept[leaves]) == []
    assert result.removed == Counter({(leaves, "a", f"also in {protected} of b"): 1})
    assert result.removed_spans == Counter({(leaves, "a", f"also in {protected} of b"): 2})


def test_a_text_of_all_splits_stays_in_test_only(run):
    kept, result = run(base("a", **{split: [doc("same text", "a")] for split in SPLITS}))
    assert [others(kept[split]) for split in SPLITS] == [[], [], [("same text", "a")]]
    assert set(result.removed) == {("dev", "a", "also in test of a"), ("train", "a", "also in test of a")}


def test_test_sets_stay_whole(run):
    kept, result = run(
        base("a", test=[doc("same text", "a"), doc("Same text", "a")]), base("b", test=[doc("same text", "b", "silver")])
    )
    assert others(kept["test"]) == [("same text", "a"), ("Same text", "a"), ("same text", "b")]
    assert not result.removed


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        pytest.param({"tier": "silver"}, {"tier": "gold"}, "b", id="better tier"),
        pytest.param({"tier": "expert"}, {"tier": "silver"}, "a", id="worse tier"),
        pytest.param({"tier": "expert", "coverage": "ABCD"}, {"tier": "gold", "coverage": "A"}, "b", id="tier before coverage"),
        pytest.param({"coverage": "A"}, {"coverage": "AB"}, "b", id="wider coverage"),
        pytest.param({}, {}, "a", id="equal: the first"),
    ],
)
def test_of_equal_texts_the_most_telling_stays(run, split, first, second, winner):
    kept, result = run(
        base("a", **{split: [doc("same text", "a", **first)]}), base("b", **{split: [doc("Same  Text", "b", **second)]})
    )
    assert [source for _, source in others(kept[split])] == [winner]
    loser = {"a": "b", "b": "a"}[winner]
    assert result.removed == Counter({(split, loser, f"same text in {winner}"): 1})


def test_every_text_is_kept_or_named_as_removed(run):
    def some(source, rng):
        return base(source, **{split: [doc(f"Text {rng.randrange(12)}", source) for _ in range(10)] for split in SPLITS})

    kept, result = run(some("a", random.Random(1)), some("b", random.Random(2)))
    assert sum(result.texts.values()) == sum(map(len, kept.values()))
    assert sum(result.texts.values()) + sum(result.removed.values()) == 2 * 3 * 11
    keys = {split: {text_key(text) for text, _ in pairs} for split, pairs in kept.items()}
    assert not keys["train"] & keys["dev"] and not (keys["train"] | keys["dev"]) & keys["test"]
    assert len(keys["train"]) == len(kept["train"]) and len(keys["dev"]) == len(kept["dev"])


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_without_texts_is_an_error(run, split):
    with pytest.raises(Ner11Error) as error:
        run({other: docs for other, docs in base().items() if other != split})
    assert str(error.value) == (f"split {split}: no texts. Choose data sets with a {split} split (vars.datasets, datasets.yml).")


def test_a_split_whose_texts_all_leave_is_an_error(run):
    with pytest.raises(Ner11Error, match="split train: no texts"):
        run({"train": [doc("same text", "a")], "dev": [doc("other", "a")], "test": [doc("same text", "a")]})


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    def many():
        return base("a", train=[doc(f"text {i}", "a", unclear=("A|B",)) for i in range(20)])

    orders = [run(many(), seed=seed, out=out)[0] for seed, out in ((1, "x"), (1, "y"), (2, "z"))]

    def content(out):
        return {str(path.relative_to(tmp_path / out)): path.read_bytes() for path in (tmp_path / out).rglob("*.spacy")}

    assert len(content("x")) == 3 and content("x") == content("y")
    assert orders[0]["train"] != orders[2]["train"] and sorted(orders[0]["train"]) == sorted(orders[2]["train"])
    assert orders[0]["dev"] == orders[2]["dev"] and orders[0]["test"] == orders[2]["test"]


@pytest.mark.parametrize(("one", "two"), [("Straße 1", "STRASSE1"), ("a\tb\u2003c", "abc")])
def test_texts_that_count_as_the_same(one, two):
    assert text_key(one) == text_key(two)


def test_punctuation_tells_texts_apart():
    assert text_key("a.b") != text_key("a b")
