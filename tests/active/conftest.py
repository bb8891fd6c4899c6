"""A model whose answers are written down, and a toy pipeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ner11.active.model import Reading
from ner11.pipeline.tags import TagScheme


class StubModel:
    """Tags every word; a word `w<number>` has O with so many percent, any other O for sure. `up` makes a text an entity."""

    version = "en_stub-1.0"
    temperature = 1.0
    scheme = TagScheme("BIO", ("A",))

    def __init__(self) -> None:
        self.most = self.read_texts = 0

    def read(self, texts: Sequence[str], *, vectors: bool = False, draws: bool = False, spans: bool = False) -> Reading:
        self.most, self.read_texts = max(self.most, len(texts)), self.read_texts + len(texts)
        words = [text.split() for text in texts]
        shares = [int(word[1:]) / 100 if word[0] == "w" and word[1:].isdigit() else 0.999 for own in words for word in own]
        logits = np.log(np.array([[share, 1 - share, 1e-9] for share in shares]).reshape(-1, 3))
        reading = Reading(logits, [len(own) for own in words])
        if vectors:
            reading.vectors = np.array([[float(len(text)), float(text.count("w"))] for text in texts])
        if draws:
            reading.draws = [logits, logits + 0.1]
        if spans:
            reading.spans = [[(0, 2, "A", 0.7)] if text.startswith("up") else [] for text in texts]
        return reading


@pytest.fixture
def stub() -> StubModel:
    return StubModel()


@pytest.fixture(scope="session")
def toy_pipelines(toy_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a trained toy pipeline that finds `zz` and `qq qq`: with torch, and exported."""
    from ner11.release.onnx_export import build_onnx_pipeline, export_onnx
    from tests.pipeline.test_softmax_ner import build, make_examples, train

    folder = tmp_path_factory.mktemp("pipelines")
    nlp = build(toy_bert)
    train(nlp, make_examples(nlp))
    nlp.to_disk(folder / "torch")
    component = export_onnx(nlp, folder / "component", precision="fp32")
    build_onnx_pipeline(nlp, component).to_disk(folder / "onnx")
    return {name: folder / name for name in ("torch", "onnx")}
