import subprocess
import sys

import numpy as np
import pytest
import spacy

from ner11.active.model import PipelineModel, load_pool_model
from ner11.errors import Ner11Error
from tests.pipeline.test_softmax_ner import LONG, TEXTS

ALL = [*TEXTS, LONG]


@pytest.fixture(scope="module", params=["torch", "onnx"])
def model(request, toy_pipelines):
    return load_pool_model(str(toy_pipelines[request.param]))


def test_a_reading_has_what_the_pipeline_finds(model):
    reading = model.read(ALL, spans=True)
    docs = list(model.nlp.pipe(ALL))
    expected = [[(ent.start_char, ent.end_char, ent.label_, ent._.confidence) for ent in doc.ents] for doc in docs]
    assert [[span[:3] for span in own] for own in reading.spans] == [[span[:3] for span in own] for own in expected]
    for own, theirs in zip(reading.spans, expected, strict=True):
        assert [span[3] for span in own] == pytest.approx([span[3] for span in theirs], abs=1e-4)
    assert any(expected)
    assert reading.lengths == [len(doc) for doc in docs]
    assert reading.logits.shape == (sum(reading.lengths), len(model.scheme))


def test_both_kinds_of_pipeline_give_the_same_logits(toy_pipelines):
    torch, onnx = (load_pool_model(str(path)).read(ALL).logits for path in toy_pipelines.values())
    assert torch == pytest.approx(onnx, abs=1e-3)


def test_texts_have_vectors(model):
    vectors = model.read(ALL, vectors=True).vectors
    assert vectors.shape == (len(ALL), 32 if model.has_vectors else len(model.scheme))
    assert np.isfinite(vectors).all()
    assert not vectors[TEXTS.index("")].any()


def test_nothing_to_read(model):
    reading = model.read(["", ""], vectors=True, spans=True)
    assert (len(reading.logits), reading.lengths, reading.spans) == (0, [0, 0], [[], []])


def test_dropout_needs_torch(toy_pipelines):
    torch, onnx = (load_pool_model(str(path)) for path in toy_pipelines.values())
    reading = torch.read(ALL, draws=True)
    assert np.mean(reading.draws, axis=0) == pytest.approx(reading.logits, abs=3)
    assert reading.draws[0].shape == reading.logits.shape
    assert not np.allclose(reading.draws[0], reading.draws[1])
    with pytest.raises(Ner11Error, match="BALD needs them"):
        onnx.read(ALL, draws=True)


def test_new_words_do_not_fill_the_vocabulary(model):
    before = len(model.nlp.vocab.strings)
    model.read([f"neverseen{i} qwx{i}" for i in range(50)], spans=True)
    assert len(model.nlp.vocab.strings) - before < 10


def test_a_model_without_probabilities_is_told(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    with pytest.raises(Ner11Error, match="no probabilities"):
        PipelineModel(nlp)
    with pytest.raises(Ner11Error, match="cannot be loaded"):
        load_pool_model(str(tmp_path / "none"))


def test_the_room_does_without_torch(toy_pipelines):
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = sys.modules['spacy_transformers'] = None\n"
        "import catalogue\n"
        "catalogue.AVAILABLE_ENTRY_POINTS = {}\n"  # of what else is installed here
        "import ner11.pipeline.onnx_ner\n"
        "import ner11.active.diversity, ner11.active.near, ner11.active.selection, ner11.active.tasks\n"
        "from ner11.active.model import load_pool_model\n"
        "from ner11.active.pool import PoolText\n"
        "from ner11.active.strategies import find_strategy\n"
        f"model = load_pool_model({str(toy_pipelines['onnx'])!r})\n"
        "wishes = ner11.active.candidates.Wishes(find_strategy('k-means'), 2)\n"
        "print(len(ner11.active.selection.select(map(PoolText, ['zz aa', 'bb', 'cc']), model, wishes).chosen))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr
