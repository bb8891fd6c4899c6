"""The systems whose inference is compared: one encoder, fine-tuned once, behind five interfaces."""

import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error

TORCH, ONNX_FP32, ONNX_INT8, STOCK, TRANSFORMERS = "torch", "onnx-fp32", "onnx-int8", "stock", "transformers"
OURS = {TORCH: "training/model-best", ONNX_FP32: "training/onnx/fp32", ONNX_INT8: "training/onnx/int8"}
SYSTEMS = (*OURS, STOCK, TRANSFORMERS)
ENCODER = "encoder"
OVERLAP = 32
"""Word pieces that windows of the `transformers` pipeline share, as in ner11: without it, it cuts texts off."""
_WITH_TORCH = ("torch", "transformers")
_HIDDEN = ("ner11", "spacy_curated_transformers", "spacy_transformers")
_TORCH_FREE = ("ner11.pipeline.onnx_ner", "ner11.pipeline.scoring")
_UPDATES, _BATCH, _TOKENS = 40, 16, 60


@dataclass(frozen=True)
class System:
    """A loaded system.

    Attributes:
        one: Finds the entities of one text and gives their number.
        many: Finds those of several texts, so many at a time, and gives their number.
        precision: Of the encoder's matrix products.
    """

    one: Callable[[str], int]
    many: Callable[[Sequence[str], int], int]
    precision: str


def folder_of(system: str, made: Path) -> Path:
    """Give the folder that a system is loaded from: the project's, or what `make_peers` wrote."""
    return Path(OURS[system]) if system in OURS else made / system


def limit_threads(threads: int) -> None:
    """Keep this process on so many cores, and the libraries that are not loaded yet on so many threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def hide_torch() -> None:
    """Make this process what it would be where the wheel without torch is installed alone.

    SpaCy and thinc import torch if it is there, and spaCy what every installed package registers; memory and time for that are no
    part of the torch-free component. To be called before spaCy is imported.
    """
    import catalogue

    for name in _WITH_TORCH:
        sys.modules[name] = None  # type: ignore[assignment]  # any import of it fails as if it were not there
    points = catalogue.AVAILABLE_ENTRY_POINTS
    every = (point for group in points.groups for point in points.select(group=group))
    kept = [point for point in every if point.module in _TORCH_FREE or point.module.split(".")[0] not in _HIDDEN]
    catalogue.AVAILABLE_ENTRY_POINTS = EntryPoints(kept)


def load(system: str, folder: Path, threads: int) -> System:
    """Load a system as its users do."""
    if system == TRANSFORMERS:
        return _load_transformers(folder, threads)
    if system in (ONNX_FP32, ONNX_INT8):
        hide_torch()
    import spacy

    if system in (ONNX_FP32, ONNX_INT8):
        nlp = spacy.load(folder, config={"components.ner.threads": threads})
        precision = system.removeprefix("onnx-")
    else:
        import torch

        torch.set_num_threads(threads)
        nlp = spacy.load(folder)
        shims = [shim for node in nlp.get_pipe("transformer").model.walk() for shim in node.shims]  # type: ignore[attr-defined]
        precision = "bf16" if any(getattr(shim, "dtype", None) == torch.bfloat16 for shim in shims) else "fp32"

    def many(texts: Sequence[str], batch: int) -> int:
        return sum(len(doc.ents) for doc in nlp.pipe(texts, batch_size=batch))

    return System(lambda text: len(nlp(text).ents), many, precision)


def _load_transformers(folder: Path, threads: int) -> System:
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    find: Any = pipeline("token-classification", model=str(folder), aggregation_strategy="simple", stride=OVERLAP, device="cpu")

    def many(texts: Sequence[str], batch: int) -> int:
        return sum(map(len, find(list(texts), batch_size=batch)))

    return System(lambda text: len(find(text)), many, "fp32")


def make_peers(made: Path, *, model: Path, train: Path, seed: int) -> dict[str, int]:
    """Write the peers, with the fine-tuned encoder of the trained pipeline and as many labels.

    - transformers: a model for token classification of the same encoder and the same linear layer.
    - stock: what `spacy init config --pipeline ner --optimize accuracy --gpu` writes, its head trained for 40 steps so that it
      finds entities; how many it finds, not how well, is what its speed could depend on.

    Args:
        made: Folder to write them into, the encoder's own with its tokenizer too.
        model: The trained pipeline, with a softmax head over a Hugging Face encoder.
        train: Annotated texts to train the head on.
        seed: Of all choices.

    Returns:
        What the encoder computes: `labels`, `layers`, `width`, `longest` (pieces of a full window, special ones included), and
        `weights`, the number of elements of its matrices and of the linear layer.

    Raises:
        Ner11Error: If the training texts do not have all labels.
    """
    import spacy
    import torch
    from transformers import AutoModelForTokenClassification, logging

    logging.set_verbosity_error()
    nlp = spacy.load(model)
    transformer, ner = (nlp.get_pipe(name).model for name in ("transformer", "ner"))  # type: ignore[attr-defined]
    encoder, tokenizer = transformer.transformer, transformer.tokenizer
    tags = nlp.get_pipe("ner").tags.tags  # type: ignore[attr-defined]
    encoder.save_pretrained(made / ENCODER)
    tokenizer.save_pretrained(made / ENCODER)
    classifier = AutoModelForTokenClassification.from_pretrained(
        made / ENCODER, id2label=dict(enumerate(tags)), label2id={tag: i for i, tag in enumerate(tags)}
    )
    linear = ner.get_ref("linear")
    for name, parameter in (("W", classifier.classifier.weight), ("b", classifier.classifier.bias)):
        parameter.data = torch.from_numpy(linear.get_param(name).copy())
    classifier.save_pretrained(made / TRANSFORMERS)
    tokenizer.save_pretrained(made / TRANSFORMERS)
    matrices = [m for n, m in classifier.named_modules() if isinstance(m, torch.nn.Linear) and "pooler" not in n]
    labels = _make_stock(made, train=train, seed=seed)
    if labels != len(nlp.get_pipe("ner").labels):  # type: ignore[attr-defined]
        raise Ner11Error(f"{labels} labels, the trained pipeline has others", where=train, fix="Train it on these texts again")
    return {
        "labels": labels,
        "layers": encoder.config.num_hidden_layers,
        "width": encoder.config.hidden_size,
        "longest": transformer.attrs["max_pieces"] + tokenizer.num_special_tokens_to_add(),
        "weights": sum(matrix.weight.numel() for matrix in matrices),
    }


def _make_stock(made: Path, *, train: Path, seed: int) -> int:
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.training import Example
    from thinc.api import Adam, fix_random_seed

    from ner11.corpus.shards import read_docs

    fix_random_seed(seed)
    config = init_config(lang="en", pipeline=["ner"], optimize="accuracy", gpu=True)
    config["components"]["transformer"]["model"]["name"] = str(made / ENCODER)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    docs = list(read_docs(train, nlp.vocab))
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    short = [example for example in examples if 0 < len(example.predicted) <= _TOKENS]
    rng, optimizer = random.Random(seed), Adam(0.001)
    for _ in range(_UPDATES):
        batch = rng.sample(short, min(_BATCH, len(short)))
        nlp.update(batch, sgd=optimizer, drop=0.1, annotates=["transformer"], exclude=["transformer"])
    nlp.to_disk(made / STOCK)
    return len(nlp.get_pipe("ner").labels)  # type: ignore[attr-defined]
