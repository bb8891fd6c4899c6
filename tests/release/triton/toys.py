"""Packages without torch whose graph looks up the logits of words, and a model repository of them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import spacy
import srsly
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer

from ner11.pipeline.onnx_ner import INPUTS, MODEL, OUTPUT, SETTINGS, TOKENIZER
from ner11.pipeline.tags import TagScheme
from ner11.release.contract import FILE, make_contract
from ner11.release.modules import PIPELINE, find_modules
from ner11.release.package import ONNX, build_package

LABELS = ("ACTOR", "MALWARE", "PLACE", "TOOL")
WORDS = {"Turla": "ACTOR", "Sandworm": "ACTOR", "Kazuar": "MALWARE", "KillDisk": "MALWARE", "Ukraine": "PLACE"}
GOLDEN = ("Turla used Kazuar.", "🙂 Sandworm and KillDisk in Ukraine", "")
NAME = "en_ner11_toy"
INIT = """
from spacy.util import load_model_from_init_py

def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)

"""


def _write_graph(path: Path, logits: np.ndarray) -> None:
    """Write a graph that gives each word piece the logits that are its own, shape (pieces, tags)."""
    axes = ["windows", "pieces"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["logits_of", INPUTS[0]], [OUTPUT], axis=0)],
        "toy",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in INPUTS],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [*axes, logits.shape[1]])],
        [numpy_helper.from_array(logits.astype(np.float32), "logits_of")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def make_pipeline(folder: Path, *, words: Mapping[str, str], labels: Sequence[str] = LABELS, scheme: str = "BIO") -> Path:
    """Write a pipeline without torch that finds these words, with a confidence of about 0.99."""
    tags = TagScheme(scheme, tuple(labels))
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    logits = np.zeros((len(vocabulary), len(tags)))
    logits[:, 0] = 6
    for word, label in words.items():
        logits[vocabulary[word]] = 6 * np.eye(len(tags))[tags.ids(0, [labels.index(label)])[0]]
    component = folder.with_name(f"{folder.name}-component")
    component.mkdir(parents=True)
    _write_graph(component / MODEL, logits)
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.save(str(component / TOKENIZER))
    settings = {
        "labels": list(labels),
        "scheme": scheme,
        "temperature": 1.0,
        "max_pieces": 32,
        "overlap": 8,
        "pad_id": 0,
        "before": [2],
        "after": [3],
        "bias": [0.0] * len(tags),
        "precision": "fp32",
        "threads": 1,
    }
    srsly.write_json(component / SETTINGS, settings)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner11_onnx", name="ner").from_disk(component)
    nlp.to_disk(folder)
    return folder


def make_wheel(
    folder: Path,
    *,
    version: str = "1.0.0",
    words: Mapping[str, str] = WORDS,
    labels: Sequence[str] = LABELS,
    scheme: str = "BIO",
) -> Path:
    """Make a package without torch of a toy pipeline, laid out as `package` does it, without the seconds of a build."""
    pipeline = make_pipeline(folder / version / "pipeline", words=words, labels=labels, scheme=scheme)
    meta = {**srsly.read_json(pipeline / "meta.json"), "name": NAME.removeprefix("en_") + ONNX, "version": version}
    srsly.write_json(pipeline / "meta.json", meta)
    name = f"{NAME}{ONNX}"
    contract = make_contract(spacy.load(pipeline), name=name, version=version, root=pipeline, golden=GOLDEN)
    srsly.write_json(pipeline / FILE, contract)
    modules = find_modules(spacy.util.load_config(pipeline / "config.cfg"))
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}/__init__.py", INIT + f"from . import {', '.join(modules)}\n")
        archive.writestr(f"{name}/meta.json", srsly.json_dumps(meta))
        for module in modules:
            archive.write(PIPELINE / f"{module}.py", f"{name}/{module}.py")
        for path in pipeline.rglob("*"):
            archive.write(path, f"{name}/{name}-{version}/{path.relative_to(pipeline)}")
    return wheel


def build_wheel(folder: Path) -> Path:
    """Build a package of a toy pipeline as `package` does."""
    pipeline = make_pipeline(folder / "pipeline", words=WORDS)
    meta = {**srsly.read_json(pipeline / "meta.json"), "name": NAME.removeprefix("en_") + ONNX, "version": "1.0.0"}
    meta["ner11"] = {"encoder": "none"}
    return build_package(pipeline, folder, meta=meta, card="A toy.\n", datasets=[], golden=GOLDEN).wheel
