"""The entity recognizer without torch: tokenizers and ONNX Runtime in the place of the encoder."""

import ctypes
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy import util
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from . import scoring as _scoring  # noqa: F401  (registers the scorer)
from .decode import DECODED_TOKENS, set_entities, split_runs
from .pieces import load_tokenizer, make_encode
from .tags import TagScheme
from .windows import Specials, TextReader, TokenReader, group_by_length

# From 1.29 on it reports its use to its maker, by a thread that also keeps forked processes from ending. Read at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from onnxruntime import InferenceSession, SessionOptions

FACTORY = "ner11_onnx"
MODEL, TOKENIZER, SETTINGS = "model.onnx", "tokenizer.json", "ner.json"
TEXTS, TOKENS = "texts", "tokens"
"""What is split into word pieces, the setting "splitting": `TextReader` or `TokenReader`."""
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"
PIECES_PER_THREAD = 256
"""Padded word pieces that go through the graph at once, for each of its threads: more are slower (more padding, less of it in
the caches). It bounds the memory, whatever the documents."""
DEFAULT_CONFIG = {"threads": 0, "token_entropy": False, "scorer": {"@scorers": "ner11.ner_scorer.v1"}}

Floats = NDArray[np.float32]
_ERRORS_ONLY = 3
_OPS = NumpyOps()
_lock = Lock()
_runtimes: "WeakSet[_Runtime]" = WeakSet()


def _after_fork() -> None:
    """Make a forked process independent of the threads of its parent, which it does not have."""
    global _lock
    _lock = Lock()  # one of them may hold the old one
    for runtime in _runtimes:
        # To delete a session is to wait for its threads: never, then.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(runtime.session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _cores() -> int:
    # Those that this process may use, where the system tells.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_onnx_ner(nlp: Language, name: str, threads: int, token_entropy: bool, scorer: Callable | None) -> "OnnxNER":
    """Make an `OnnxNER` from a configuration."""
    return OnnxNER(nlp.vocab, name, threads=threads, token_entropy=token_entropy, scorer=scorer)


try:
    Language.factory(
        FACTORY,
        assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.confidence"],
        default_config=DEFAULT_CONFIG,
        default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
        func=make_onnx_ner,
    )
except ValueError as e:
    # A packaged model beside the library, whose entry point is first: spaCy lets no other function have the name.
    if "E004" not in str(e):
        raise


class OnnxNER(Pipe):
    """Runs an exported encoder with its softmax head, and sets entities and confidences as `softmax_ner` does.

    The session of ONNX Runtime is made when it is first needed, and anew in a forked process, which does not have the
    threads of the old one. Documents are read in runs of like length; their order is kept.

    Args:
        vocab: The shared vocabulary.
        name: Name of the component.
        threads: Threads that ONNX Runtime computes with; 0 takes what the component was saved with, and if that is 0
            too, as many as there are cores for this process.
        token_entropy: Also set `token._.entropy`, in nats.
        scorer: Scores examples.
    """

    def __init__(
        self, vocab: Vocab, name: str = "ner", *, threads: int = 0, token_entropy: bool = False, scorer: Callable | None = None
    ) -> None:
        if threads < 0:
            raise ValueError(f"{FACTORY}: {threads} threads; give 0 for as many as there are cores, or a number above")
        self.vocab, self.name = vocab, name
        self.token_entropy, self.scorer = token_entropy, scorer
        self.cfg: dict[str, Any] = {"labels": [], "scheme": "BIO", "temperature": 1.0}
        self._threads = threads
        self._files: dict[str, bytes] = {}
        self._runtime: _Runtime | None = None

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
        return TagScheme(self.cfg["scheme"], self.labels)

    @property
    def threads(self) -> int:
        """Threads that ONNX Runtime computes with."""
        return self._threads or int(self.cfg.get("threads", 0)) or _cores()

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads, self._runtime = threads, None

    def __call__(self, doc: Doc) -> Doc:
        """Set the entities of one document."""
        for done in self._annotate([doc]):
            return done
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Set the entities of documents, so many at a time; they come out in their order."""
        for docs in util.minibatch(stream, batch_size):
            yield from self._annotate(docs)

    def _annotate(self, docs: Sequence[Doc]) -> Iterator[Doc]:
        for start, end in split_runs([*map(len, docs)], most=DECODED_TOKENS):
            part = docs[start:end]
            try:
                self.set_annotations(part, self.predict(part))
            except Exception as e:  # as in every pipe of spaCy: the user's handler decides
                self.get_error_handler()(self.name, self, list(part), e)
            else:
                yield from part

    def predict(self, docs: Sequence[Doc]) -> Floats:
        """Give the logits of the tokens of documents, one document after the other, shape (tokens, tags)."""
        return self._started().run(docs)

    def set_annotations(self, docs: Sequence[Doc], scores: Floats) -> None:
        """Set entities and their confidences from logits."""
        set_entities(docs, scores, self.tags, temperature=self.temperature, token_entropy=self.token_entropy)

    def _started(self) -> "_Runtime":
        runtime = self._runtime
        if runtime is None or runtime.process != os.getpid():
            with _lock:
                if self._runtime is None or self._runtime.process != os.getpid():
                    self._runtime = _Runtime(self._files, self.cfg, threads=self.threads, tags=len(self.tags))
                runtime = self._runtime
        return runtime

    def _load(self, files: dict[str, bytes]) -> "OnnxNER":
        self._files, self._runtime = files, None
        self.cfg = json.loads(files[SETTINGS])
        return self

    def _saved(self) -> dict[str, bytes]:
        settings = json.dumps(self.cfg, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return {**self._files, SETTINGS: settings.encode()}

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the graph, the tokenizer and the settings into a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._saved().items():
            (folder / name).write_bytes(content)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "OnnxNER":
        """Read what `to_disk` wrote."""
        return self._load({name: (Path(path) / name).read_bytes() for name in (MODEL, TOKENIZER, SETTINGS)})

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Write the component into one string of bytes."""
        return srsly.msgpack_dumps(self._saved())

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "OnnxNER":
        """Read what `to_bytes` wrote."""
        return self._load(srsly.msgpack_loads(data))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the session. (Spacy's `Pipe` is of Cython, which reduces all attributes and asks no `__getstate__`.)"""
        return _restore, (self.vocab, self.name, {**self.__dict__, "_runtime": None})


def _restore(vocab: Vocab, name: str, attributes: dict[str, Any]) -> OnnxNER:
    made = OnnxNER(vocab, name)
    made.__dict__.update(attributes)
    return made


def _make_reader(tokenizer: str, cfg: dict[str, Any]) -> TextReader | TokenReader:
    specials = Specials(tuple(cfg["before"]), tuple(cfg["after"]), cfg["pad_id"])
    if cfg.get("splitting") == TOKENS:
        return TokenReader(load_tokenizer(tokenizer), specials, cfg["max_pieces"], cfg["overlap"])
    return TextReader(make_encode(tokenizer), specials, cfg["max_pieces"], cfg["overlap"])


class _Runtime:
    """A session of ONNX Runtime, with what splits texts for it."""

    def __init__(self, files: dict[str, bytes], cfg: dict[str, Any], *, threads: int, tags: int) -> None:
        if MODEL not in files:
            raise ValueError(f"{FACTORY}: the component is empty; load it from where 'spacy project run export' wrote it")
        options = SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ERRORS_ONLY
        # Threads that wait in a loop take the cores from whatever else runs: beside another busy process, half of the speed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = InferenceSession(files[MODEL], options, providers=["CPUExecutionProvider"])
        _runtimes.add(self)
        self.process, self.max_padded = os.getpid(), PIECES_PER_THREAD * threads
        self.reader = _make_reader(files[TOKENIZER].decode(), cfg)
        self.bias: Floats = np.array(cfg["bias"], dtype=np.float32)
        given = self.session.get_outputs()[0].shape[-1]
        if not given == len(self.bias) == tags:
            raise ValueError(
                f"{FACTORY}: {MODEL} gives {given} logits a word piece, but {SETTINGS} has {tags} tags; export the model again"
            )

    def run(self, docs: Sequence[Doc]) -> Floats:
        """Give the logits of tokens: the mean over the pieces of each, in all windows; the bias for a token without any."""
        reading = self.reader.read(docs)
        logits = np.zeros((sum(map(len, docs)), len(self.bias)), dtype=np.float32)
        links = np.zeros(len(logits), dtype=np.float32)
        for group in group_by_length(reading.lengths, max_padded=self.max_padded):
            padded = reading.pad(group)
            (output,) = self.session.run([OUTPUT], dict(zip(INPUTS, (padded.ids, padded.mask), strict=True)))
            order = np.argsort(padded.tokens, kind="stable")
            tokens, starts = np.unique(padded.tokens[order], return_index=True)
            sizes = np.diff(starts, append=len(order)).astype(np.int32)
            shares = padded.shares[order, None]
            rows = output.reshape(-1, output.shape[-1])[padded.linked[order]]
            logits[tokens] += _OPS.reduce_sum(rows * shares, sizes)
            links[tokens] += _OPS.reduce_sum(shares, sizes)[:, 0]
        linked = links > 0
        logits[linked] /= links[linked, None]
        logits[~linked] = self.bias
        return logits
