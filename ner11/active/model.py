"""What a trained pipeline says about texts: logits, vectors, passes with dropout, entities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ner11.active.uncertainty import drop_out
from ner11.errors import Ner11Error
from ner11.pipeline.tags import TagScheme

Floats = NDArray[np.floating]
FoundSpan = tuple[int, int, str, float | None]
"""First character, one past the last, label, confidence."""
DRAWS = 10


@dataclass
class Reading:
    """What a model says about texts.

    Attributes:
        logits: Of all tokens, text after text, shape (tokens, tags).
        lengths: Tokens of each text.
        vectors: Of the texts, shape (texts, width), if wished.
        draws: Logits of passes with dropout, each shape (tokens, tags), if wished.
        spans: The entities of each text, if wished.
    """

    logits: Floats
    lengths: list[int]
    vectors: Floats | None = None
    draws: list[Floats] | None = None
    spans: list[list[FoundSpan]] | None = None


class PoolModel(Protocol):
    """A model that reads texts of a pool."""

    version: str

    @property
    def scheme(self) -> TagScheme: ...

    @property
    def temperature(self) -> float: ...

    def read(self, texts: Sequence[str], *, vectors: bool = False, draws: bool = False, spans: bool = False) -> Reading:
        """Read texts; raises Ner11Error for what the model cannot give."""
        ...


class PipelineModel:
    """A spaCy pipeline with a head that has logits: `softmax_ner` or `ner11_onnx`, also from an installed package.

    Document vectors are the means of the encoder's token vectors; a pipeline without torch keeps these inside its graph, and the
    means of the tokens' logits, as the differences to their mean over the tags, stand for them.

    Args:
        nlp: The pipeline.

    Raises:
        Ner11Error: If it has no such head.
    """

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        self.version = f"{nlp.meta['lang']}_{nlp.meta['name']}-{nlp.meta['version']}"
        heads = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "tags") and hasattr(pipe, "temperature")]
        if not heads:
            fix = "Choose a pipeline with a softmax head ('spacy project run all . --vars.head softmax')"
            raise Ner11Error("the model has no probabilities", where=self.version, fix=fix)
        self.head: Any = heads[-1]

    @property
    def scheme(self) -> TagScheme:
        """The chain of tags."""
        return self.head.tags

    @property
    def temperature(self) -> float:
        """What logits are divided by for probabilities."""
        return self.head.temperature

    @property
    def has_vectors(self) -> bool:
        """Whether there are vectors of tokens before the linear layer."""
        return hasattr(self.head, "model")

    def read(self, texts: Sequence[str], *, vectors: bool = False, draws: bool = False, spans: bool = False) -> Reading:
        """Read texts.

        Args:
            texts: The texts.
            vectors: Also give vectors of the texts.
            draws: Also give passes with dropout.
            spans: Also give the entities.

        Raises:
            Ner11Error: If passes with dropout are wished of a pipeline without torch.
        """
        if draws and not self.has_vectors:
            fix = "Choose the pipeline with torch (training/model-best), or another strategy"
            raise Ner11Error("there are no token vectors to drop out of, as BALD needs them", where=self.version, fix=fix)
        with self.nlp.memory_zone():  # or every new word of a million texts stays in the vocabulary
            docs = self._prepare(texts)
            lengths = [len(doc) for doc in docs]
            scores = self.head.predict(docs)
            reading = Reading(self._flat(scores), lengths)
            if vectors or draws:
                self._add_vectors(reading, docs, draws=draws)
            if spans:
                self.head.set_annotations(docs, scores)
                reading.spans = [
                    [(ent.start_char, ent.end_char, ent.label_, ent._.confidence) for ent in doc.ents] for doc in docs
                ]
            return reading

    def _prepare(self, texts: Sequence[str]) -> list[Doc]:
        docs = [self.nlp.make_doc(text) for text in texts]
        pipes: list[Any] = [pipe for _, pipe in self.nlp.pipeline]
        for pipe in pipes[: pipes.index(self.head)]:
            docs = list(pipe.pipe(docs, batch_size=max(1, len(docs))))
        return docs

    def _flat(self, arrays: Any) -> Floats:
        if isinstance(arrays, np.ndarray):
            return arrays
        flat = self.head.model.ops.to_numpy(self.head.model.ops.flatten(arrays))
        return flat if len(flat) else np.zeros((0, len(self.scheme)), dtype=np.float32)

    def _no_vectors(self) -> Floats:
        return np.zeros((0, self.head.model.get_ref("linear").get_dim("nI")), dtype=np.float32)

    def _add_vectors(self, reading: Reading, docs: Sequence[Doc], *, draws: bool) -> None:
        if self.has_vectors:
            # An encoder that has seen no token gives vectors of no width, or an error.
            tokens = self._flat(self.head.model.layers[0].predict(docs)) if sum(reading.lengths) else self._no_vectors()
        else:
            tokens = reading.logits - reading.logits.mean(axis=1, keepdims=True)
        ends = np.cumsum(reading.lengths)[:-1]
        parts = np.split(tokens, ends)
        reading.vectors = np.stack([own.mean(axis=0) if len(own) else np.zeros(tokens.shape[1]) for own in parts])
        if draws:
            linear, ops = self.head.model.get_ref("linear"), self.head.model.ops
            weights, bias = (ops.to_numpy(linear.get_param(name)) for name in ("W", "b"))
            reading.draws = drop_out(tokens, weights, bias, draws=DRAWS)


def load_pool_model(name: str) -> PipelineModel:
    """Load a pipeline from a folder or an installed package.

    Raises:
        Ner11Error: If it cannot be loaded or has no head with probabilities.
    """
    try:
        nlp = spacy.load(name)
    except (OSError, ValueError, ImportError) as e:  # spaCy says with these what the folder or this environment lacks
        reason = " ".join(str(e).split())
        raise Ner11Error(f"cannot be loaded ({reason})", where=name, fix="Give a folder like training/model-best") from e
    return PipelineModel(nlp)
