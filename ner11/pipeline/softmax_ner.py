"""The softmax head: an entity recognizer with probabilities, class weights and partial annotation."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from . import fork as _fork  # noqa: F401  (keeps torch usable in forked processes)
from . import logits as _logits  # noqa: F401  (registers the architecture)
from . import loss as _loss  # noqa: F401  (registers the loss)
from .allowed import (
    SEPARATOR,
    UNKNOWN,
    allowed_tags,
    count_classes,
    forget_unknown_labels,
    read_annotation,
    token_classes,
)
from .calibration import fit
from .chain import Packing, has_legal_sequence
from .decode import set_entities
from .tags import OUTSIDE, TagScheme

DEFAULT_CONFIG = {
    "model": {
        "@architectures": "ner11.TokenLogits.v1",
        "tok2vec": {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "grad_factor": 1.0,
            "pooling": {"@layers": "reduce_mean.v1"},
            "upstream": "*",
        },
        "nO": None,
    },
    "scheme": "BIO",
    "loss": {
        "@losses": "ner11.AllowedSetLoss.v1",
        "weight_exponent": 0.0,
        "weight_cap": 10.0,
        "focal_gamma": 0.0,
        "label_smoothing": 0.0,
    },
    "token_entropy": False,
    "scorer": {"@scorers": "ner11.ner_scorer.v1"},
}
_SAMPLE = 10
_FIT_TOKENS = 20_000  # enough for one number


def make_softmax_ner(
    nlp: Language, name: str, model: Model, scheme: str, loss: Any, token_entropy: bool, scorer: Callable | None
) -> "SoftmaxNER":
    """Make a `SoftmaxNER` from a configuration."""
    return SoftmaxNER(nlp.vocab, model, name, scheme=scheme, loss=loss, token_entropy=token_entropy, scorer=scorer)


try:
    Language.factory(
        "softmax_ner",
        assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.confidence"],
        default_config=DEFAULT_CONFIG,
        default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
        func=make_softmax_ner,
    )
except ValueError as e:
    # A packaged model beside the library, whose entry point is first: spaCy lets no other function have the name.
    if "E004" not in str(e):
        raise


class SoftmaxNER(TrainablePipe):
    """Tags tokens by a linear layer over an encoder's vectors, under the constraints of a tag scheme.

    It learns from allowed sets (see `allowed_tags`), sets `doc.ents` (what was there is replaced), and gives each
    entity a probability, `span._.confidence`: the marginal of the whole span under the chain of tags, calibrated by a
    temperature. It is kept in `doc.user_data`, and with it in a DocBin that stores user data, in
    `doc.to_json(underscore=["confidence"])` and in pickles.

    Args:
        vocab: The shared vocabulary.
        model: From documents to logits, one array of shape (tokens, tags) a document: `ner11.TokenLogits.v1`.
        name: Name of the component.
        scheme: BIO, BILUO or IO.
        loss: As `ner11.AllowedSetLoss.v1` makes it.
        token_entropy: Also set `token._.entropy`, in nats.
        scorer: Scores examples.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "ner",
        *,
        scheme: str,
        loss: Any,
        token_entropy: bool = False,
        scorer: Callable | None = None,
    ) -> None:
        self.vocab, self.model, self.name = vocab, model, name
        self.scheme, self.loss, self.token_entropy, self.scorer = TagScheme(scheme, ()), loss, token_entropy, scorer
        self.cfg: dict[str, Any] = {"labels": [], "temperature": 1.0, "class_weights": {}}
        self._label_losses: Counter[str] = Counter()
        self._label_tokens: Counter[str] = Counter()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the component predicts."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The labels, as `spacy init labels` writes them."""
        return list(self.labels)

    @property
    def temperature(self) -> float:
        """What logits are divided by for confidences."""
        return float(self.cfg["temperature"])

    @property
    def tags(self) -> TagScheme:
        """The tags of the labels."""
        if self.scheme.labels != self.labels:
            self.scheme = TagScheme(self.scheme.name, self.labels)
        return self.scheme

    def add_label(self, label: str) -> int:
        """Add a label before the component is initialized.

        Returns:
            1, or 0 if it is there already.

        Raises:
            ValueError: If the component is initialized, its layer has no place for more; or if it cannot be a label.
        """
        if label in self.labels:
            return 0
        self._check_labels([*self.labels, label])
        self.cfg["labels"].append(label)
        return 1

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language | None = None, labels: Sequence[str] | None = None
    ) -> None:
        """Set labels, class weights and the bias of the layer from the data.

        Args:
            get_examples: Gives the training examples.
            nlp: The pipeline.
            labels: The labels; those of the data if None.

        Raises:
            ValueError: If there are no labels: a corpus without entities; if the data has others than those given, or some
                that cannot be labels; or if the component is trained already with others.
        """
        validate_get_examples(get_examples, "SoftmaxNER.initialize")
        sample: list[Doc] = []
        counts: Counter[str] = Counter()
        for example in get_examples():
            if len(sample) < _SAMPLE and len(example.predicted):
                sample.append(example.predicted)
            annotation = read_annotation(example)
            if any(OUTSIDE in names for _, _, names in annotation.spans):
                self._check_labels([OUTSIDE])
            counts.update(count_classes([annotation]))
        found = {label for label in counts if label != OUTSIDE}
        if labels and not found <= {*labels, *self.labels}:
            others = ", ".join(sorted(found - {*labels, *self.labels}))
            raise ValueError(f"softmax_ner: the data has labels that are not among those given: {others}; give them too")
        chosen = sorted({*self.labels, *(labels or found)})
        if not chosen:
            raise ValueError("softmax_ner: no entity in the training data; check that its documents have doc.ents")
        self._check_labels(chosen)
        self.cfg["labels"] = chosen
        classes = (OUTSIDE, *self.labels)
        weights = self.loss.class_weights([counts[name] for name in classes])
        self.cfg["class_weights"] = dict(zip(classes, weights.tolist(), strict=True))
        self.model.set_dim("nO", len(self.tags))
        self.model.initialize(X=sample)
        ops: Any = self.model.ops
        self.model.get_ref("linear").set_param("b", ops.asarray(self._log_prior(counts), dtype="float32"))

    def _check_labels(self, labels: Sequence[str]) -> None:
        """Refuse labels that the layer has no place for, or that stand for something else in the annotation."""
        odd = [label for label in labels if label in (OUTSIDE, UNKNOWN, "") or SEPARATOR in label]
        if odd:
            raise ValueError(f"softmax_ner: '{odd[0]}' cannot be a label, it means something else; rename it in the data")
        if self.model.has_dim("nO") and self.labels and (others := sorted(set(labels) - set(self.labels))):
            raise ValueError(
                f"softmax_ner: cannot add the label {', '.join(others)} to a trained model; train anew with data that has it"
            )

    def _log_prior(self, counts: Counter[str]) -> np.ndarray:
        """Give the log of each tag's share, a label's tokens spread evenly over its positions; nothing counts as none."""
        shares = [counts[label] / len(self.tags.positions) for label in self.labels] * len(self.tags.positions)
        smoothed = np.array([counts[OUTSIDE], *shares], dtype=np.float32) + 1.0
        return np.log(smoothed / smoothed.sum())

    def predict(self, docs: Iterable[Doc]) -> list[Floats2d]:
        """Give the logits of documents, one array of shape (tokens, tags) each."""
        docs = list(docs)
        if not any(map(len, docs)):
            return [self.model.ops.alloc2f(0, len(self.tags)) for _ in docs]
        return self.model.predict(docs)

    def set_annotations(self, docs: Iterable[Doc], scores: list[Floats2d]) -> None:
        """Set entities and their confidences from logits."""
        flat = self.model.ops.flatten(scores)
        set_entities(list(docs), flat, self.tags, temperature=self.temperature, token_entropy=self.token_entropy)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch; as in every `TrainablePipe`."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "SoftmaxNER.update")
        if not any(len(example.predicted) for example in examples):
            return losses
        set_dropout_rate(self.model, drop)
        logits, backprop = self.model.begin_update([example.predicted for example in examples])
        loss, gradients = self.get_loss(examples, logits)
        backprop(gradients)
        if sgd:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the mean loss of the tokens about which something is known, in nats, and its gradient.

        Raises:
            ValueError: If the data has a label that the model does not know, or allows no legal sequence of tags.
        """
        ops, tags = self.model.ops, self.tags
        examples = list(examples)
        annotations = [read_annotation(example) for example in examples]
        packing = Packing.of([len(example.predicted) for example in examples])
        allowed = np.concatenate([allowed_tags(annotation, tags) for annotation in annotations])
        informative = max(1, int((~allowed.all(axis=1)).sum()))
        names = [name for annotation in annotations for name in token_classes(annotation)]
        weights = self._token_weights(names)
        token_losses, gradient = self.loss(
            packing.pack(ops.flatten(scores)), ops.asarray(packing.pack(allowed)), packing, tags, packing.pack(weights)
        )
        token_losses = ops.to_numpy(packing.unpack(token_losses))
        self._check(token_losses, ops.to_numpy(ops.flatten(scores)), examples)
        for name, loss in zip(names, token_losses.tolist(), strict=True):
            if name:
                self._label_losses[name] += loss
                self._label_tokens[name] += 1
        gradient = ops.asarray2f(packing.unpack(gradient) / informative)
        return float(token_losses.sum()) / informative, ops.unflatten(gradient, packing.lengths.tolist())

    def _token_weights(self, names: Sequence[str]) -> Any:
        """Weigh tokens by their class; a token that may have several labels, by the mean of theirs."""
        known = self.cfg["class_weights"]
        by_name = {
            name: float(np.mean([known.get(label, 1.0) for label in name.split(SEPARATOR)])) if name else 1.0
            for name in set(names)
        }
        return self.model.ops.asarray([by_name[name] for name in names], dtype="float64")

    def _check(self, losses: np.ndarray, logits: np.ndarray, examples: Sequence[Example]) -> None:
        if np.isfinite(losses).all():
            return
        token = int(np.flatnonzero(~np.isfinite(losses))[0])
        ends = np.cumsum([len(example.predicted) for example in examples])
        text = examples[int(np.searchsorted(ends, token, side="right"))].text[:60]
        if np.isfinite(logits).all():
            raise ValueError(
                f"softmax_ner: the annotation allows no legal sequence of tags in the text '{text}'; remove overlapping spans"
            )
        raise ValueError(
            f"softmax_ner: the encoder's output is no number any more, at the text '{text}'; lower the learning rate, warm up "
            f"longer, or train in fp32 or bf16"
        )

    def pop_label_losses(self) -> dict[str, tuple[float, int]]:
        """Give loss and number of tokens by class since the last call: labels, O, and `A|B` where several are allowed."""
        result = {name: (float(self._label_losses[name]), count) for name, count in self._label_tokens.items()}
        self._label_losses.clear()
        self._label_tokens.clear()
        return result

    def fit_temperature(self, examples: Iterable[Example]) -> float:
        """Choose the temperature that makes what the annotation allows most likely (Guo et al. 2017).

        Args:
            examples: Examples that training has not seen, whose predicted documents went through the components before. Labels
                that the model does not have count as unknown there, and annotation that contradicts itself is left out.

        Returns:
            The temperature, which the component keeps; 1 if there is no token to fit it on.
        """
        logits: list[np.ndarray] = []
        allowed: list[np.ndarray] = []
        lengths: list[int] = []
        for batch in minibatch(examples, 32):
            if sum(lengths) >= _FIT_TOKENS:
                break
            for example, scores in zip(batch, self.predict([example.predicted for example in batch]), strict=True):
                fits = allowed_tags(forget_unknown_labels(read_annotation(example), self.tags), self.tags)
                if has_legal_sequence(fits, self.tags):
                    logits.append(self.model.ops.to_numpy(scores))
                    allowed.append(fits)
                    lengths.append(len(fits))
        if sum(lengths):
            self.cfg["temperature"] = fit(np.concatenate(logits), np.concatenate(allowed), lengths, self.tags)
        return self.temperature
