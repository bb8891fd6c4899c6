"""Toy encoders with random weights, and the marks of slow tests."""

import os
import string
from pathlib import Path

# Read when libraries are imported: no hub, no GPU, no colors in what scripts print.
os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", NO_COLOR="1")

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="Also run tests that need the network or pretrained weights.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def toy_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer BERT of random weights whose vocabulary is single characters."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

    folder = tmp_path_factory.mktemp("toy-bert")
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *characters,
        *(f"##{c}" for c in string.ascii_lowercase + string.digits),
    ]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def toy_distilbert(toy_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer DistilBERT of random weights and the vocabulary of `toy_bert`."""
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel, set_seed

    folder = tmp_path_factory.mktemp("toy-distilbert")
    tokenizer = AutoTokenizer.from_pretrained(toy_bert)
    tokenizer.save_pretrained(folder)
    set_seed(0)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64)
    DistilBertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def toy_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer RoBERTa of random weights whose vocabulary is bytes."""
    import json

    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast, set_seed
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    folder = tmp_path_factory.mktemp("toy-roberta")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values(), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}), encoding="utf8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf8")
    RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=64).save_pretrained(folder)
    set_seed(0)
    config = RobertaConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,  # positions are counted from the padding's id on
        type_vocab_size=1,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder


CURATED = """
[nlp]
lang = "en"
pipeline = ["transformer"]

[components]

[components.transformer]
factory = "curated_transformer"
all_layer_outputs = false
frozen = false

[components.transformer.model]
@architectures = "spacy-curated-transformers.RobertaTransformer.v1"
vocab_size = 300
hidden_width = 32
num_hidden_layers = 2
num_attention_heads = 4
intermediate_width = 64
max_position_embeddings = 514
padding_idx = 1

[components.transformer.model.piece_encoder]
@architectures = "spacy-curated-transformers.ByteBpeEncoder.v1"

[components.transformer.model.with_spans]
@architectures = "spacy-curated-transformers.WithStridedSpans.v1"
stride = 24
window = 32

[initialize]

[initialize.components]

[initialize.components.transformer]

[initialize.components.transformer.piecer_loader]
@model_loaders = "spacy-curated-transformers.ByteBpeLoader.v1"
vocab_path = "{folder}/vocab.json"
merges_path = "{folder}/merges.txt"
"""


@pytest.fixture(scope="session")
def toy_trf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline like en_core_web_trf: a curated RoBERTa of random weights whose vocabulary is bytes."""
    import json

    import spacy
    from thinc.api import Config, fix_random_seed
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    folder = tmp_path_factory.mktemp("toy-trf-files")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values(), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}), encoding="utf8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf8")
    fix_random_seed(0)
    nlp = spacy.util.load_model_from_config(Config().from_str(CURATED.format(folder=folder)), auto_fill=True)
    nlp.initialize()
    path = tmp_path_factory.mktemp("toy-trf")
    nlp.to_disk(path)
    return path
