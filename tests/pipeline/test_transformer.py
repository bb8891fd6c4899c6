import numpy as np
import pytest
import spacy
from thinc.api import fix_random_seed

CONFIG = """
[nlp]
lang = "en"
pipeline = ["transformer"]

[components]

[components.transformer]
factory = "transformer"

[components.transformer.model]
@architectures = "ner11.PieceWindowTransformer.v1"
name = "{name}"
max_pieces = 16
overlap = 4
mixed_precision = false
tokenizer_config = {{"use_fast": true}}
transformer_config = {{}}
grad_scaler_config = {{}}
"""


@pytest.fixture(scope="module")
def nlp(toy_bert):
    from thinc.api import Config

    fix_random_seed(0)
    nlp = spacy.blank("en").from_config(Config().from_str(CONFIG.format(name=toy_bert)))
    nlp.initialize()
    return nlp


def vectors(doc):
    data = doc._.trf_data
    flat = data.model_output.last_hidden_state.reshape(-1, data.width)
    return [flat[data.align[i].data[:, 0]].mean(axis=0) for i in range(len(doc)) if data.align.lengths[i]]


def test_long_text_is_read_in_windows_without_losing_a_piece(nlp):
    doc = nlp("abc def ghi " * 20 + "d41d8cd98f00b204e9800998ecf8427e" * 2)
    assert doc._.trf_data.wordpieces.input_ids.shape[0] > 10
    assert all(length > 0 for length in doc._.trf_data.align.lengths)


@pytest.mark.parametrize("text", ["", "   ", "\n", "🙂", "x" * 500])
def test_odd_texts_pass(nlp, text):
    assert nlp(text).text == text


def test_saved_and_loaded_gives_the_same_vectors(nlp, tmp_path):
    text = "abc def ghi jkl mno pqr stu vwx"
    expected = vectors(nlp(text))
    nlp.to_disk(tmp_path)
    np.testing.assert_allclose(vectors(spacy.load(tmp_path)(text)), expected, atol=1e-6)


def test_loading_does_not_need_the_encoder_folder(nlp, tmp_path):
    nlp.config["components"]["transformer"]["model"]["name"] = "no/such/folder"
    nlp.to_disk(tmp_path)
    assert len(spacy.load(tmp_path)("abc def")) == 2
