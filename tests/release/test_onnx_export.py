import numpy as np
import onnx
import pytest
import spacy
from onnxruntime import InferenceSession

from ner11.errors import Ner11Error
from ner11.pipeline.onnx_ner import INPUTS, MODEL, OUTPUT, SETTINGS, TOKENIZER, OnnxNER
from ner11.pipeline.pieces import split_tokens
from ner11.pipeline.windows import Specials, TokenReader
from ner11.release import onnx_export
from ner11.release.exportable import find_encoder
from ner11.release.onnx_export import build_onnx_pipeline, export_onnx
from ner11.release.parity import check_fp32
from tests.pipeline.test_softmax_ner import LONG, TEXTS, build, make_examples, train

ENCODERS = ("toy_bert", "toy_distilbert", "toy_roberta", "toy_trf")
ODD = ["🙂 zz\u200b", "x" * 500, "a\x00b", "qq  \t qq\u00a0zz \n", "é e\u0301 ﬁ \u3000zz", "[SEP] <s> </s> <pad>", "zz " * 300]


def build_trained(encoder, scheme="BIO", steps=20):
    nlp = build(encoder, "toy_trf" if (encoder / "config.cfg").exists() else "toy_bert", scheme)
    train(nlp, make_examples(nlp), steps=steps)
    nlp.get_pipe("ner").cfg["temperature"] = 1.5
    return nlp


@pytest.fixture(scope="module", params=ENCODERS)
def nlp(request):
    return build_trained(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def bert(toy_bert):
    return build_trained(toy_bert)


def test_the_export_says_what_the_pipeline_says(nlp, tmp_path):
    built = build_onnx_pipeline(nlp, export_onnx(nlp, tmp_path / "component", precision="fp32"))
    texts = [*TEXTS, LONG, LONG[::-1], *ODD, *(" ".join(["zz", "saw", "qq qq", "aa"] * i) for i in range(1, 40))]
    result = check_fp32(nlp, built, texts)
    assert result["logits"] < 1e-5 * max(1.0, result["largest_logit"])
    assert result["confidence"] < 1e-5
    assert result["entities"] > 50
    assert built.get_pipe("ner").labels == ("LOCATION", "PERSON")


@pytest.mark.parametrize("encoder", ["toy_bert", "toy_trf"])
def test_a_token_without_a_piece_gets_the_bias(encoder, tmp_path, request):
    nlp = build_trained(request.getfixturevalue(encoder), steps=2)
    pipe = build_onnx_pipeline(nlp, export_onnx(nlp, tmp_path / "component", precision="fp32")).get_pipe("ner")
    logits = pipe.predict([nlp.make_doc("\n"), nlp.make_doc("qq \n\n zz")])
    np.testing.assert_array_equal(logits[[0, 2]], [pipe.cfg["bias"]] * 2)
    assert (logits[[1, 3]] != pipe.cfg["bias"]).all()


def test_the_graph_takes_windows_of_any_number_and_length(bert, tmp_path):
    folder = export_onnx(bert, tmp_path / "component", precision="fp32")
    session = InferenceSession(folder / MODEL)
    assert [(one.name, one.type, len(one.shape)) for one in session.get_inputs()] == [
        (name, "tensor(int64)", 2) for name in INPUTS
    ]
    (output,) = session.get_outputs()
    assert (output.name, output.type, output.shape[-1]) == (OUTPUT, "tensor(float)", 5)
    for shape in ((1, 1), (3, 7), (1, 64), (40, 2)):
        ids = np.full(shape, 7)
        (logits,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert logits.shape == (*shape, 5)
    graph = onnx.load(folder / MODEL)
    assert graph.opset_import[0].version == 17


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_same_pipeline_gives_the_same_files(bert, tmp_path, precision):
    first, second = (export_onnx(bert, tmp_path / name / "component", precision=precision) for name in ("one", "two"))
    for name in (MODEL, TOKENIZER, SETTINGS):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert str(tmp_path).encode() not in (first / MODEL).read_bytes()


def test_a_pipeline_in_bf16_is_exported_in_fp32(bert, tmp_path):
    expected = export_onnx(bert, tmp_path / "fp32", precision="fp32")
    bert.to_disk(tmp_path / "model")
    config = (tmp_path / "model" / "config.cfg").read_text().replace('precision = "fp32"', 'precision = "bf16"')
    (tmp_path / "model" / "config.cfg").write_text(config)
    found = export_onnx(spacy.load(tmp_path / "model"), tmp_path / "bf16", precision="fp32")
    first, second = (
        {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(f / MODEL).graph.initializer} for f in (expected, found)
    )
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_exporting_leaves_the_pipeline_as_it_was(bert, tmp_path):
    before = bert.to_bytes()
    export_onnx(bert, tmp_path / "component", precision="int8")
    assert bert.to_bytes() == before


def test_int8_is_close_and_does_not_depend_on_its_neighbors(nlp, tmp_path):
    whole, small = (
        build_onnx_pipeline(nlp, export_onnx(nlp, tmp_path / precision, precision=precision)) for precision in ("fp32", "int8")
    )
    assert (tmp_path / "int8" / MODEL).stat().st_size < (tmp_path / "fp32" / MODEL).stat().st_size
    pipe: OnnxNER = small.get_pipe("ner")
    docs = [nlp.make_doc(text) for text in [*TEXTS, LONG, "zz qq qq saw", *ODD]]
    expected, found = whole.get_pipe("ner").predict(docs), pipe.predict(docs)
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()
    alone = np.concatenate([pipe.predict([doc]) for doc in docs])
    np.testing.assert_allclose(found, alone, atol=1e-4)


def test_the_built_pipeline_is_loaded_by_spacy_and_finds_the_same(bert, tmp_path):
    bert.max_length = 5000
    built = build_onnx_pipeline(bert, export_onnx(bert, tmp_path / "component", precision="fp32"))
    built.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline", config={"components": {"ner": {"threads": 1}}})
    assert loaded.pipe_names == ["ner"] and loaded.get_pipe("ner").threads == 1
    assert loaded.tokenizer.to_bytes(exclude=["vocab"]) == bert.tokenizer.to_bytes(exclude=["vocab"])
    assert loaded.meta["labels"] == {"ner": ["LOCATION", "PERSON"]}
    for text in [*TEXTS, LONG]:
        expected, doc = bert(text), loaded(text)
        assert [(e.start, e.end, e.label_) for e in doc.ents] == [(e.start, e.end, e.label_) for e in expected.ents]
        np.testing.assert_allclose([e._.confidence for e in doc.ents], [e._.confidence for e in expected.ents], atol=1e-5)


def test_other_heads_and_encoders_are_refused_in_one_line(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    with pytest.raises(Ner11Error, match=r"transition head cannot be exported. Train with --vars.head softmax\.$"):
        export_onnx(nlp, tmp_path / "component", precision="fp32")
    with pytest.raises(Ner11Error, match="encoders of this kind cannot be exported"):
        find_encoder(nlp)
    assert not list(tmp_path.iterdir())


def test_an_export_that_fails_leaves_the_last_one(bert, tmp_path, monkeypatch):
    folder = export_onnx(bert, tmp_path / "component", precision="int8")
    before = (folder / MODEL).read_bytes()

    def fill_the_disk(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_export, "quantize", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        export_onnx(bert, folder, precision="int8")
    assert (folder / MODEL).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["component"]


def test_the_byte_pairs_of_a_curated_encoder_are_its_own(toy_trf):
    """Of spacy-curated-transformers' own encoder, over its own pieces."""
    from spacy_curated_transformers.tokenization.bbpe_encoder import build_byte_bpe_encoder_v1
    from tokenizers import Tokenizer

    nlp = spacy.load(toy_trf)
    own = build_byte_bpe_encoder_v1()
    parts = {node.name: node for node in nlp.get_pipe("transformer").model.walk()}
    own.attrs["byte_bpe_processor"] = parts["byte_bpe_encoder"].attrs["byte_bpe_processor"]
    docs = [nlp.make_doc(text) for text in [*TEXTS, *ODD, "don't we'll  x's 12ab \u0661 ©"]]
    encoder = find_encoder(nlp)
    settings = encoder.settings
    pieces = split_tokens(Tokenizer.from_str(encoder.tokenizer), docs, before=settings["before"], after=settings["after"])
    expected = own.predict(docs)
    assert pieces.ids.tolist() == np.concatenate([ragged.dataXd for ragged in expected]).tolist()
    assert pieces.counts.tolist() == [int(n) for ragged in expected for n in ragged.lengths[1:-1]]
    reader = TokenReader(Tokenizer.from_str(encoder.tokenizer), Specials((0,), (2,), 1), 32, 8)
    assert max(reader.read(docs).lengths) == 32
