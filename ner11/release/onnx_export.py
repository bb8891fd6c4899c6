"""The graph of a trained pipeline, encoder and linear layer a word piece, for runtimes without torch."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import onnx
import torch
from spacy.language import Language
from torch import Tensor, nn

from ner11.files import replaced_dir, write_json
from ner11.pipeline.onnx_ner import FACTORY, INPUTS, MODEL, OUTPUT, SETTINGS, TOKENIZER, OnnxNER
from ner11.pipeline.softmax_ner import SoftmaxNER
from ner11.release.exportable import Exportable, find_encoder, find_head
from ner11.release.quantize import quantize

GraphPrecision = Literal["fp32", "int8"]
OPSET = 17
COMPONENT = "ner"
_EXAMPLE = (2, 8)  # windows and pieces of the input that the graph is traced with; both stay variable


class PieceLogits(nn.Module):
    """An encoder and the linear layer of the softmax head, on word pieces.

    The mean over the pieces of a token is taken afterwards: it commutes with the linear layer.

    Args:
        encoder: The encoder.
        weight: Shape (tags, width).
        bias: Shape (tags,).
    """

    def __init__(self, encoder: Exportable, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        # A copy: the user's stays on its device.
        self.encoder, self.run = copy.deepcopy(encoder.module).cpu().float(), encoder.run
        self.linear = nn.Linear(weight.shape[1], weight.shape[0])
        self.linear.weight.data, self.linear.bias.data = weight, bias

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Give the logits of word pieces, shape (windows, pieces, tags)."""
        return self.linear(self.run(self.encoder, input_ids, attention_mask))


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep what the exporter and the quantizer say about themselves from the user."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.setLevel(level)


def _write_graph(encoder: Exportable, head: SoftmaxNER, path: Path) -> None:
    ops, linear = head.model.ops, head.model.get_ref("linear")
    weight, bias = (torch.from_numpy(np.array(ops.to_numpy(linear.get_param(name)))) for name in ("W", "b"))
    module = PieceLogits(encoder, weight, bias).eval()
    pad = encoder.settings["pad_id"]
    ids = torch.full(_EXAMPLE, pad + 1)
    ids[0, -1] = pad  # with padding, so that no branch for inputs without any is taken
    mask = (ids != pad).long()
    axes = {0: "windows", 1: "pieces"}
    with _silenced(), torch.no_grad():
        torch.onnx.export(
            module,
            (ids, mask),
            str(path),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes=dict.fromkeys((*INPUTS, OUTPUT), axes),
            opset_version=OPSET,
            dynamo=False,
        )


def export_onnx(nlp: Language, folder: Path, *, precision: GraphPrecision) -> Path:
    """Write the folder that the torch-free component is loaded from: graph, tokenizer and settings.

    Args:
        nlp: A trained pipeline with a softmax head.
        folder: Replaced when the new one is whole.
        precision: Of the weights; "int8" is about a quarter of the size, and several times as fast on CPUs with instructions
            for it.

    Returns:
        The folder.

    Raises:
        Ner11Error: If the pipeline has another head, or an encoder that cannot be exported.
        OSError: If the disk is full.
    """
    head, encoder = find_head(nlp), find_encoder(nlp)
    with replaced_dir(folder) as partial:
        whole = partial / (MODEL if precision == "fp32" else "fp32.onnx")
        _write_graph(encoder, head, whole)
        if precision == "int8":
            quantize(whole, partial / MODEL)
            whole.unlink()
        onnx.checker.check_model(str(partial / MODEL))
        (partial / TOKENIZER).write_text(encoder.tokenizer, encoding="utf8")
        write_json(
            partial / SETTINGS,
            {
                **encoder.settings,
                "labels": list(head.labels),
                "scheme": head.tags.name,
                "temperature": head.temperature,
                "bias": head.model.ops.to_numpy(head.model.get_ref("linear").get_param("b")).tolist(),
                "precision": precision,
                "threads": 0,
            },
        )
    return folder


def build_onnx_pipeline(nlp: Language, folder: Path) -> Language:
    """Make the torch-free pipeline: the tokenizer of a trained one, and the component in a folder.

    Args:
        nlp: The pipeline that the component was exported from.
        folder: As `export_onnx` wrote it.
    """
    settings = {name: nlp.config["nlp"][name] for name in ("lang", "tokenizer", "batch_size")}
    head = find_head(nlp)
    scorer = nlp.get_pipe_config(next(name for name, pipe in nlp.pipeline if pipe is head))["scorer"]
    components = {COMPONENT: {"factory": FACTORY, "token_entropy": head.token_entropy, "scorer": scorer}}
    built = type(nlp).from_config({"nlp": {**settings, "pipeline": [COMPONENT]}, "components": components})
    cast(Any, built.tokenizer).from_bytes(cast(Any, nlp.tokenizer).to_bytes(exclude=["vocab"]))
    built.max_length = nlp.max_length
    built.meta.update({name: nlp.meta[name] for name in ("name", "version", "description", "author", "license")})
    cast(OnnxNER, built.get_pipe(COMPONENT)).from_disk(folder)
    return built
