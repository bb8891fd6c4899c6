"""Does an exported pipeline say what the trained one says? Logits, entities, confidences, F1."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.util import minibatch

from ner11.errors import Ner11Error
from ner11.evaluation.texts import BATCH_SIZE, TestText
from ner11.pipeline.onnx_ner import OnnxNER
from ner11.pipeline.scoring import count_labels, total
from ner11.pipeline.transformer import EncoderShim
from ner11.release.exportable import find_head
from ner11.release.onnx_export import COMPONENT

LOGIT_TOLERANCE = 1e-4
"""Of fp32 logits, relative to the largest one: a float32 has 24 bits, so that what sums of it lose grows with its size."""
F1_TOLERANCE = 0.003
"""F1 that int8 may lose: 0.3 points."""


@contextmanager
def full_precision(nlp: Language) -> Iterator[None]:
    """Let the encoder of a pipeline compute in fp32 while the block runs."""
    models = [pipe.model for _, pipe in nlp.pipeline if hasattr(pipe, "model")]
    shims = [shim for model in models for node in model.walk() for shim in node.shims if isinstance(shim, EncoderShim)]
    types = [shim.dtype for shim in shims]
    try:
        for shim in shims:
            shim.dtype = None
        yield
    finally:
        for shim, dtype in zip(shims, types, strict=True):
            shim.dtype = dtype


def _torch_logits(nlp: Language, docs: Sequence[Doc]) -> np.ndarray:
    head = find_head(nlp)
    for name, pipe in nlp.pipeline:
        if pipe is head:
            break
        docs = list(cast(Pipe, nlp.get_pipe(name)).pipe(docs))
    scores = head.predict(docs)
    head.set_annotations(docs, scores)
    return head.model.ops.to_numpy(head.model.ops.flatten(scores))


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    # NaN, which `max` would pass over, is the largest difference that there is.
    return float(np.nan_to_num(np.abs(first - second), nan=np.inf).max(initial=0.0))


def _spans(docs: Iterable[Doc]) -> list[dict[tuple[int, int, str], float]]:
    return [{(ent.start_char, ent.end_char, ent.label_): ent._.confidence for ent in doc.ents} for doc in docs]


def _confidence_difference(pairs: Iterable[tuple[dict[Any, float], dict[Any, float]]]) -> float:
    return max((abs(a[span] - b[span]) for a, b in pairs for span in a.keys() & b.keys()), default=0.0)


def check_fp32(nlp: Language, onnx_nlp: Language, texts: Iterable[str]) -> dict[str, Any]:
    """Compare an fp32 export with its pipeline, token by token.

    Args:
        nlp: The trained pipeline.
        onnx_nlp: As `build_onnx_pipeline` gives it.
        texts: Raw texts.

    Returns:
        How many texts, tokens and entities were compared; the largest logit, the largest difference of logits and of
        confidences to torch in fp32, and, as "native", those of torch in the precision that the pipeline is set to.

    Raises:
        Ner11Error: If logits differ by more than the tolerance or are no numbers, or any entity differs.
    """
    pipe = cast(OnnxNER, onnx_nlp.get_pipe(COMPONENT))
    result: dict[str, Any] = {"texts": 0, "tokens": 0, "entities": 0, "largest_logit": 0.0}
    differences = dict.fromkeys(("logits", "confidence"), 0.0)
    native = dict(differences)
    changed = 0
    for batch in minibatch(texts, BATCH_SIZE):
        runs = [[nlp.make_doc(text) for text in batch] for _ in range(3)]
        with full_precision(nlp):
            expected = _torch_logits(nlp, runs[0])
        logits = pipe.predict(runs[1])
        if not np.isfinite(expected).all():
            fix = "Train it again, with a lower learning rate"
            raise Ner11Error("the model gives logits that are no numbers", where="export", fix=fix)
        pipe.set_annotations(runs[1], logits)
        as_shipped = _torch_logits(nlp, runs[2])
        spans = [_spans(docs) for docs in runs]
        for told, other, found in ((differences, logits, spans[1]), (native, as_shipped, spans[2])):
            told["logits"] = max(told["logits"], _difference(expected, other))
            told["confidence"] = max(told["confidence"], _confidence_difference(zip(spans[0], found, strict=True)))
        result["texts"] += len(batch)
        result["tokens"] += len(expected)
        result["entities"] += sum(map(len, spans[0]))
        result["largest_logit"] = max(result["largest_logit"], float(np.abs(expected).max(initial=0.0)))
        changed += sum(first.keys() != second.keys() for first, second in zip(spans[0], spans[1], strict=True))
    limit = LOGIT_TOLERANCE * max(1.0, result["largest_logit"])
    if differences["logits"] > limit or changed:
        raise Ner11Error(
            f"the fp32 graph differs from the model: logits by up to {differences['logits']:.1e} ({limit:.1e} is allowed), "
            f"entities in {changed} of {result['texts']} texts",
            where="export",
            fix="Report it as a defect of ner11, with the encoder's name",
        )
    return {**result, **differences, "native": native}


def _f1(texts: Sequence[TestText]) -> float:
    return total(count_labels(text.comparison for text in texts).values()).f1 or 0.0


def compare_predictions(expected: Sequence[TestText], found: Sequence[TestText]) -> dict[str, Any]:
    """Compare what two pipelines found in the same annotated texts.

    Returns:
        F1 of both; in how many texts the entities differ; how many entities both found, and how far their confidences differ
        at most and on average.
    """
    pairs = [
        tuple(dict(zip(t.predicted, t.confidences, strict=True)) for t in both) for both in zip(expected, found, strict=True)
    ]
    gaps = [abs(a[span] - b[span]) for a, b in pairs for span in a.keys() & b.keys()]  # type: ignore[operator]
    return {
        "texts": len(expected),
        "f1": _f1(found),
        "expected_f1": _f1(expected),
        "changed_texts": sum(a.keys() != b.keys() for a, b in pairs),
        "common_entities": len(gaps),
        "confidence": max(gaps, default=0.0),
        "mean_confidence": float(np.mean(gaps)) if gaps else 0.0,
    }


def check_int8(expected: Sequence[TestText], found: Sequence[TestText]) -> dict[str, Any]:
    """Compare an int8 export with the fp32 one on annotated texts, as `compare_predictions` does.

    Raises:
        Ner11Error: If int8 loses more F1 than the tolerance.
    """
    result = compare_predictions(expected, found)
    if (loss := result["expected_f1"] - result["f1"]) > F1_TOLERANCE:
        raise Ner11Error(
            f"int8 loses {100 * loss:.2f} points of F1 on {result['texts']} test texts, {100 * F1_TOLERANCE:.1f} are allowed",
            where="export",
            fix="Ship fp32: run it with --precision fp32",
        )
    return result
