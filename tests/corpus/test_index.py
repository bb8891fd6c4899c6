from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.corpus.duplicates import SIMILARITY
from ner11.corpus.index import BANDS, index_path, normal_word, read_index, sentence_keys, sign, text_key
from ner11.corpus.shards import shard_path
from ner11.errors import Ner11Error
from tests.corpus.conftest import put
from tests.readers.fuzz import FUZZ


@pytest.mark.parametrize(
    ("one", "two"),
    [("Straße 1", "STRASSE1"), ("a\tb\u2003c", "abc"), (" x\n", "x"), ("ÀB", "àb")],
    ids=["sharp s", "white space", "edges", "accents"],
)
def test_texts_that_count_as_the_same(one, two):
    assert text_key(one) == text_key(two)


@pytest.mark.parametrize(("one", "two"), [("a.b", "a b"), ("version 1", "version 2"), ("Kyiv", "Kiev")])
def test_texts_that_do_not(one, two):
    assert text_key(one) != text_key(two)


NLP = spacy.blank("en")
SENTENCE = "The group sent 23 mails to a bank in Oslo and got 4 answers"


def sketch(texts):
    docs = [NLP.make_doc(text) for text in texts]
    tokens = np.array([token.orth for doc in docs for token in doc], dtype=np.uint64)
    return sign(tokens, np.array([len(doc) for doc in docs]), NLP.vocab.strings)


def similarity(one, two):
    signatures, bands = sketch([one, two])
    return (signatures[0] == signatures[1]).mean(), bool((bands[0] == bands[1]).any())


@pytest.mark.parametrize(
    "other",
    [
        SENTENCE,
        SENTENCE.upper(),
        SENTENCE.replace("23", "57").replace("4", "9"),
        SENTENCE.replace(" ", "\n  "),
        SENTENCE.replace("Oslo", "(Oslo),") + "!",
    ],
    ids=["equal", "casing", "digits", "white space", "punctuation"],
)
def test_near_duplicates_have_equal_signatures(other):
    assert similarity(SENTENCE, other) == (1.0, True)


@pytest.mark.parametrize(
    ("token", "word"), [("APT-28", "apt00"), ("Straße", "strasse"), ("--", ""), ("10.0.0.1", "00000"), ("\u200b", "")]
)
def test_what_counts_of_a_token(token, word):
    assert normal_word(token) == word


def test_a_process_forked_later_can_sign_too():
    texts = [f"{SENTENCE} and {i} more words" for i in range(500)]
    sketch(texts)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        signatures, _ = pool.submit(sketch, texts).result(timeout=60)
    assert len(signatures) == 500


def test_another_text_has_another_signature():
    alike, shares_band = similarity(SENTENCE, "Rain fell on the empty harbor while nobody was looking out of a window")
    assert alike < 0.2 and not shares_band


def test_one_word_more_in_a_long_text_is_still_near():
    long = " ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(80))
    alike, shares_band = similarity(long, f"{long} more")
    assert alike >= SIMILARITY and shares_band


@pytest.mark.parametrize("text", ["", "one two three four five six seven", "... --- ... --- ... --- ... ---"])
def test_short_texts_are_never_near_duplicates(text):
    signatures, bands = sketch([text, text, SENTENCE])
    assert not bands[:2].any() and bands[2].all()
    assert signatures.shape == (3, 64)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (SENTENCE, []),
        (f"{SENTENCE}. Short one.", [text_key(f"{SENTENCE}.")]),
        (f"Heading\n{SENTENCE}\n\n{SENTENCE}!", [text_key(SENTENCE), text_key(f"{SENTENCE}!")]),
        (f"{SENTENCE}\n", [text_key(SENTENCE)]),
        ("", []),
    ],
    ids=["one sentence", "short one left out", "lines", "line end", "empty"],
)
def test_the_sentences_of_a_text_of_several(text, keys):
    assert sentence_keys(text) == keys


@FUZZ
@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_any_text_has_a_signature(texts):
    signatures, bands = sketch(texts)
    assert signatures.shape[0] == len(texts) and bands.shape == (len(texts), BANDS + 1)
    words = [sum(bool(normal_word(token.text)) for token in NLP.make_doc(text)) for text in texts]
    assert [bool(row.any()) for row in bands] == [count >= 8 for count in words]
    assert all(sentence_keys(text) is not None and text_key(text) is not None for text in texts)


def test_the_index_says_what_the_shard_holds(tmp_path):
    put(tmp_path, "a", {"train": ["[Emotet](MALWARE) hit", "and [x](THREAT) came", "none"]}, coverage=["TOOL", "PLACE"])
    shard = shard_path(tmp_path / "a" / "train", 0)
    names = ("keys", "ranks", "lines", "files", "file_names", "span_docs", "span_places", "group_labels")
    keys, ranks, lines, files, file_names, span_docs, span_places, group_labels = read_index(shard, *names)
    assert len(set(keys.tolist())) == 3
    assert (ranks.tolist(), lines.tolist()) == ([-2, -2, -2], [1, 2, 3])
    assert [file_names[i] for i in files] == ["a/train.md"] * 3
    assert (span_docs.tolist(), span_places.tolist()) == ([0, 1], [[0, 1], [1, 2]])
    assert group_labels.tolist() == ["ACTOR|MALWARE"]


@pytest.mark.parametrize("tiers", [("gold", "expert"), ("expert", "silver")])
def test_a_better_tier_ranks_before_any_coverage(tmp_path, tiers):
    for name, tier, coverage in zip("ab", tiers, ([], ["THREAT", "TOOL", "PLACE"]), strict=True):
        put(tmp_path, name, {"train": ["x"]}, tier=tier, coverage=coverage)
    ranks = [int(read_index(shard_path(tmp_path / name / "train", 0), "ranks")[0][0]) for name in "ab"]
    assert ranks[0] < ranks[1]


@pytest.mark.parametrize("label", ["X\0", "\ud800", "é|?", "x" * 50_000], ids=["NUL", "surrogate", "marks", "long"])
def test_any_label_of_a_source_survives_and_takes_no_more_room_than_its_own(tmp_path, label):
    texts = [AnnotatedText("ab", [LabelledSpan(0, 2, f"L{i}")]) for i in range(50)]
    texts.append(AnnotatedText("ab", [LabelledSpan(0, 2, label)]))
    labels = {**{f"L{i}": "TOOL" for i in range(50)}, label: "TOOL"}
    put(tmp_path, "a", {"train": texts}, labels=labels)
    assert index_path(shard_path(tmp_path / "a" / "train", 0)).stat().st_size < 400_000


@pytest.mark.parametrize("damage", [None, b"", b"junk", "half"], ids=["missing", "empty", "junk", "half"])
def test_a_damaged_index_is_named(tmp_path, damage):
    put(tmp_path, "a", {"train": ["x"]})
    shard = shard_path(tmp_path / "a" / "train", 0)
    path = index_path(shard)
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with pytest.raises(Ner11Error, match="damaged index") as error:
        read_index(shard, "keys")
    assert error.value.where == path and error.value.fix == "Run convert again"


def test_a_column_that_is_not_there_is_damage(tmp_path):
    path = tmp_path / "0000.npz"
    np.savez(path, keys=np.zeros(1))
    with pytest.raises(Ner11Error, match=r"damaged index \(KeyError\)"):
        read_index(path.with_suffix(".spacy"), "ranks")
