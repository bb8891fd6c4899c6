import os
import random
from collections import Counter

import pytest
import spacy
from spacy.training import Corpus

from ner11.corpus import moving as module
from ner11.corpus.index import index_path, text_key
from ner11.corpus.merge import merge
from ner11.corpus.shards import list_shards, read_docs, shard_path
from ner11.errors import Ner11Error
from ner11.ledger import Ledger
from tests.corpus.conftest import SPLITS, put

NLP = spacy.blank("en")


@pytest.fixture
def run(tmp_path):
    """Convert and merge data sets given as {name: {split: markups}} or {name: ({split: markups}, settings)}."""

    def run(seed=0, out="out", **sets):
        ledger = Ledger()
        for name, given in sets.items():
            splits, settings = given if isinstance(given, tuple) else (given, {})
            ledger.update(put(tmp_path / "in", name, splits, **settings))
        read = ledger.read.copy()
        result = merge([tmp_path / "in" / name for name in sets], tmp_path / out, seed=seed, ledger=ledger)
        ledger.check()
        assert ledger.read == read
        assert sum(result.texts.values()) + sum(result.removed.values()) == sum(ledger.texts.values())
        docs = {split: list(read_docs(tmp_path / out / split, NLP.vocab)) for split in SPLITS}
        assert result.texts == Counter((split, doc.user_data["source"]) for split in SPLITS for doc in docs[split])
        spans = Counter(
            (split, doc.user_data["source"], span.label_)
            for split in SPLITS
            for doc in docs[split]
            for span in (*doc.ents, *doc.spans.get("ambiguous", ()))
        )
        assert result.spans == spans
        return docs, result, ledger

    return run


def base(source="a", **more):
    return {split: [f"only {split} of {source}", *more.get(split, ())] for split in SPLITS}


def others(docs):
    return [(doc.text, doc.user_data["source"]) for doc in docs if not doc.text.startswith("only ")]


def shown(doc):
    spans = sorted((*doc.ents, *doc.spans.get("ambiguous", ())), key=lambda span: span.start)
    return [(span.text, span.label_) for span in spans]


def outcomes(ledger):
    counts = Counter()
    for key, count in ledger.spans.items():
        counts[key.source, key.label, key.outcome, key.reason] += count
    return counts


def test_what_is_unique_stays(run):
    docs, result, _ = run(a=base("a"), b=base("b"))
    for split in SPLITS:
        assert sorted(doc.text for doc in docs[split]) == [f"only {split} of a", f"only {split} of b"]
    assert not result.removed and not result.leaks and not result.conflicts


def test_a_text_arrives_as_it_was_converted(run):
    text = "the [Emotet](MALWARE) and [x y](THREAT) of [Oslo](PLACE)"
    docs, *_ = run(a=(base("a", train=[text]), {"coverage": ["PLACE"], "tier": "expert", "weight": 0.5}))
    (doc,) = (doc for doc in docs["train"] if not doc.text.startswith("only"))
    assert shown(doc) == [("Emotet", "MALWARE"), ("x y", "ACTOR|MALWARE"), ("Oslo", "PLACE")]
    assert [token.text for token in doc if token.ent_iob == 0] == ["x", "y"]
    data = {**doc.user_data, "coverage": list(doc.user_data["coverage"])}
    assert data == {"source": "a", "tier": "expert", "weight": 0.5, "group": "train:1", "coverage": ["PLACE"]}


def test_plain_spacy_reads_what_is_merged(run, tmp_path):
    run(a=base("a", train=["[Emotet](MALWARE) hit"]))
    found = [eg.reference for eg in Corpus(tmp_path / "out" / "train")(spacy.blank("en"))]
    assert sorted((doc.text, len(doc.ents)) for doc in found) == [("Emotet hit", 1), ("only train of a", 0)]


@pytest.mark.parametrize(
    ("protected", "leaves"), [("test", "dev"), ("test", "train"), ("dev", "train")], ids=lambda split: f"{split}"
)
def test_what_leaves_for_a_protected_split_is_accounted_for(run, protected, leaves):
    markup = "[Emotet](MALWARE) hit [Kyiv](PLACE) [a](CAMPAIGN)"
    docs, result, ledger = run(
        a=base("a", **{leaves: [markup]}), b=(base("b", **{protected: ["EMOTET  hit Kyiv a"]}), {"tier": "expert"})
    )
    assert others(docs[protected]) == [("EMOTET  hit Kyiv a", "b")] and others(docs[leaves]) == []
    reason = f"in {protected} of b"
    assert result.removed == Counter({(leaves, "a", "removed", reason): 1})
    assert outcomes(ledger) == {("a", label, "removed", reason): 1 for label in ("MALWARE", "PLACE", "CAMPAIGN")}
    assert ledger.texts["a", leaves, "removed", reason] == 1 and ledger.texts["a", leaves, "kept", ""] == 1
    assert ledger.examples["a", leaves, "removed", reason] == [f"a/{leaves}.md:2"]


LONG = "[Turla](ACTOR) sent {} mails to a large bank in Oslo and got {} answers from its staff"


def test_near_duplicates_and_shared_sentences_say_so(run):
    whole = LONG.format(1, 2)
    docs, result, ledger = run(
        a=base("a", test=[LONG.format(7, 8), "Rain fell on the empty harbor of that town. Twice."]),
        b=base("b", train=[whole, "Rain fell on the empty harbor of that town."], dev=[LONG.format(3, 4)]),
    )
    assert others(docs["train"]) == others(docs["dev"]) == []
    assert result.removed == Counter(
        {
            ("train", "b", "removed", "nearly in test of a"): 1,
            ("dev", "b", "removed", "nearly in test of a"): 1,
            ("train", "b", "removed", "a sentence of it in test of a"): 1,
        }
    )
    assert result.leaks == {("a", "b", "dev"): (0, 1, 0), ("a", "b", "train"): (0, 1, 1)}
    assert outcomes(ledger)["b", "ACTOR", "removed", "nearly in test of a"] == 2


def test_what_was_merged_into_a_text_that_leaves_is_not_told_as_merged(run):
    docs, _, ledger = run(
        a=base("a", test=[LONG.format(7, 8)], train=[LONG.format(1, 2)]),
        b=(base("b", train=[LONG.format(1, 2)]), {"tier": "expert"}),
    )
    assert others(docs["train"]) == []
    assert outcomes(ledger)["b", "ACTOR", "removed", "nearly in test of a"] == 1


ONE, TWO = {"coverage": ["THREAT"]}, {"tier": "expert", "coverage": ["PLACE"]}


def test_equal_texts_become_one_annotation(run):
    docs, result, ledger = run(
        a=(base("a", train=["[Emotet](THREAT) hit Kyiv"]), ONE),
        b=(base("b", train=["[EMOTET](MALWARE)  hit [Kyiv](PLACE)"]), TWO),
    )
    (doc,) = (doc for doc in docs["train"] if not doc.text.startswith("only"))
    assert (doc.text, shown(doc)) == ("Emotet hit Kyiv", [("Emotet", "MALWARE"), ("Kyiv", "PLACE")])
    assert (doc.user_data["source"], list(doc.user_data["coverage"])) == ("a", ["ACTOR", "MALWARE", "PLACE"])
    assert result.removed == Counter({("train", "b", "merged", "same text in a"): 1})
    assert outcomes(ledger) == {
        ("a", "THREAT", "ambiguous", "ACTOR|MALWARE"): 1,
        ("b", "MALWARE", "merged", "same text in a"): 1,
        ("b", "PLACE", "merged", "same text in a"): 1,
    }


def test_three_equal_texts_become_one(run):
    texts = ["[x](THREAT) in Oslo", "x in [Oslo](PLACE)", "[x](MALWARE) in Oslo"]
    tiers = ["gold", "expert", "expert"]
    sets = {
        name: (base(name, dev=[text]), {"tier": tier, "coverage": ["TOOL"]})
        for name, text, tier in zip("abc", texts, tiers, strict=True)
    }
    docs, result, _ = run(**sets)
    assert [shown(doc) for doc in docs["dev"] if doc.text == "x in Oslo"] == [[("x", "MALWARE"), ("Oslo", "PLACE")]]
    assert sum(result.removed.values()) == 2


def test_conflicts_are_listed_and_counted(run):
    docs, result, ledger = run(
        a=base("a", train=["[Emotet](MALWARE) hit Kyiv by [mail](TOOL)"]),
        b=(base("b", train=["[Emotet](ACTOR) hit [Kyiv](PLACE) by [mail](TOOL)"]), {"tier": "expert"}),
    )
    common = {"split": "train", "text": "Emotet hit Kyiv by mail", "kept_from": "a", "lost_from": "b"}
    assert result.conflicts == [
        {**common, "surface": "Emotet", "kept": "MALWARE", "lost": "ACTOR"},
        {**common, "surface": "Kyiv", "kept": "O", "lost": "PLACE"},
    ]
    assert outcomes(ledger) == {
        ("a", "MALWARE", "kept", ""): 1,
        ("a", "TOOL", "kept", ""): 1,
        ("b", "ACTOR", "conflict", "same text in a"): 1,
        ("b", "PLACE", "conflict", "same text in a"): 1,
        ("b", "TOOL", "merged", "same text in a"): 1,
    }
    assert [shown(doc) for doc in docs["train"] if doc.text.startswith("Emotet")] == [[("Emotet", "MALWARE"), ("mail", "TOOL")]]


def some(source, rng):
    words = ["[Emotet](MALWARE)", "[x](THREAT)", "hit", "[Kyiv](PLACE)", "[it](CAMPAIGN)", "2"]
    return base(source, **{split: [" ".join(rng.choices(words, k=2)) for _ in range(25)] for split in SPLITS})


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_every_text_is_kept_or_named_whatever_the_size_of_shards(run, tmp_path, monkeypatch, size):
    monkeypatch.setattr(module, "SHARD_SIZE", size)
    sets = {name: (some(name, random.Random(name)), {"tier": tier}) for name, tier in (("a", "gold"), ("b", "expert"))}
    docs, result, ledger = run(**sets)
    assert sum(result.texts.values()) + sum(result.removed.values()) == 2 * 3 * 26
    keys = {split: [text_key(doc.text) for doc in found] for split, found in docs.items()}
    assert not set(keys["train"]) & set(keys["dev"]) and not {*keys["train"], *keys["dev"]} & set(keys["test"])
    assert len(set(keys["train"])) == len(keys["train"]) and len(set(keys["dev"])) == len(keys["dev"])
    assert len(keys["test"]) == 2 * 26
    for split in SPLITS:
        shards = list_shards(tmp_path / "out" / split)
        assert [path.name for path in shards] == [shard_path(tmp_path, i).name for i in range(-(-len(keys[split]) // size))]
    assert not (tmp_path / "out" / ".pieces").exists()
    monkeypatch.setattr(module, "SHARD_SIZE", 5000)
    again, *_, same = run(out="again", **sets)
    for split in SPLITS:
        assert [(doc.text, shown(doc)) for doc in again[split]] == [(doc.text, shown(doc)) for doc in docs[split]]
    assert same.to_rows() == ledger.to_rows()


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_without_texts_is_an_error(run, split):
    with pytest.raises(Ner11Error) as error:
        run(a={other: texts for other, texts in base().items() if other != split})
    assert str(error.value) == (f"split {split}: no texts. Choose data sets with a {split} split (vars.datasets, datasets.yml).")


def test_a_split_whose_texts_all_leave_is_an_error(run):
    with pytest.raises(Ner11Error, match="split train: no texts"):
        run(a={"train": ["same text"], "dev": ["other"], "test": ["same text"]})


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    sets = {name: (some(name, random.Random(name)), {"tier": tier}) for name, tier in (("a", "gold"), ("b", "expert"))}
    orders = [[doc.text for doc in run(seed=seed, out=out, **sets)[0]["train"]] for seed, out in ((1, "x"), (1, "y"), (2, "z"))]

    def content(out):
        return {str(path.relative_to(tmp_path / out)): path.read_bytes() for path in (tmp_path / out).rglob("*.spacy")}

    assert len(content("x")) == 3 and content("x") == content("y")
    assert orders[0] != orders[2] and sorted(orders[0]) == sorted(orders[2])
    assert content("x")["test/0000.spacy"] == content("z")["test/0000.spacy"]


@pytest.mark.parametrize("damage", [b"", b"junk", "half"], ids=["empty", "junk", "half"])
def test_a_damaged_shard_is_named(run, tmp_path, damage):
    run(a=base())
    path = shard_path(tmp_path / "in" / "a" / "dev", 0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with pytest.raises(Ner11Error, match="damaged corpus file") as error:
        merge([tmp_path / "in" / "a"], tmp_path / "again", seed=0, ledger=Ledger())
    assert error.value.where == path


def test_an_index_of_another_shard_is_told(run, tmp_path):
    run(a=base(train=["more"]), b=base("b"))
    shards = [shard_path(tmp_path / "in" / name / "train", 0) for name in "ab"]
    index_path(shards[0]).write_bytes(index_path(shards[1]).read_bytes())
    with pytest.raises(Ner11Error) as error:
        merge([tmp_path / "in" / "a"], tmp_path / "again", seed=0, ledger=Ledger())
    assert str(error.value) == f"{shards[0]}: 2 texts, 1 in its index. Run convert again."


@pytest.mark.parametrize("step", ["_scatter", "_gather"])
def test_a_worker_that_dies_is_one_error(run, monkeypatch, step):
    monkeypatch.setattr(module, step, die)
    with pytest.raises(Ner11Error, match="a worker process died"):
        run(a=base())


def die(*_args):
    os._exit(9)
