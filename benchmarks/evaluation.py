"""What evaluating costs beside pure prediction: time and peak memory on thousands of texts, with a trained pipeline.

Run it from the project's folder, after `spacy project run train`:
python benchmarks/evaluation.py [--sizes 1000,10000] [--rounds 3]
It writes benchmarks/results/evaluation.json.

- predict: `for _ in nlp.pipe(texts): pass`, the texts in memory as strings.
- evaluate: all that the command `evaluate` measures (`ner11.evaluation.run.measure_pipeline`), the annotated texts read from
  disk: scores, intervals, confusion, calibration, thresholds, slices, robustness and errors.

The texts are made from those of dev and test: windows of 10 to 40 words and entities, in which a tenth of the words and half of
the entities are replaced by others; each is a document of its own. Each run has a process of its own, and the two of a round
follow each other, in turn the one and the other first. Loading is not counted; peak memory is that of the whole process.
"""

import itertools
import random
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.files import read_json, write_json

MODEL, MERGED = Path("training/model-best"), Path("corpus/merged")
RESULTS = Path("benchmarks/results/evaluation.json")
SHORTEST, LONGEST = 10, 40
REPLACED_WORDS, REPLACED_ENTITIES = 0.1, 0.5

Piece = tuple[str, str]
"""An entity and its label, or a token outside of entities and nothing."""


def split_pieces(doc: Any) -> list[Piece]:
    """Cut a document into entities and tokens."""
    ents = {ent.start: ent for ent in doc.ents}
    inside = {token.i for ent in doc.ents for token in ent}
    return [
        (ents[token.i].text, ents[token.i].label_) if token.i in ents else (token.text, "")
        for token in doc
        if token.i in ents or token.i not in inside
    ]


def make_texts(docs: Sequence[Sequence[Piece]], count: int, *, seed: int) -> Iterator[list[Piece]]:
    """Make texts from windows of others, with words by Zipf's law and other entities of the same label swapped in.

    Args:
        docs: The documents, in pieces.
        count: How many texts.
        seed: Of all choices.
    """
    rng = random.Random(seed)
    syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(30_000)]
    weights = list(itertools.accumulate(1 / (i + 5) for i in range(len(words))))
    names: defaultdict[str, list[Piece]] = defaultdict(list)
    for text, label in itertools.chain.from_iterable(docs):
        names[label].append((text, label))

    def vary(piece: Piece) -> Piece:
        text, label = piece
        if label:
            return rng.choice(names[label]) if rng.random() < REPLACED_ENTITIES else piece
        return (rng.choices(words, cum_weights=weights)[0], "") if text.isalpha() and rng.random() < REPLACED_WORDS else piece

    for _ in range(count):
        length, made = rng.randint(SHORTEST, LONGEST), list[Piece]()
        while len(made) < length:
            doc = rng.choice(docs)
            first = rng.randrange(max(1, len(doc) - length))
            made += map(vary, doc[first : first + length - len(made)])
        yield made


def write_texts(folder: Path, count: int) -> int:
    """Write annotated texts as the shards of a corpus, made from the dev and test texts; give their number of words."""
    import spacy
    from spacy.tokens import DocBin

    from ner11.corpus.shards import ATTRIBUTES, SHARD_SIZE, read_docs, shard_path

    nlp = spacy.blank("en")
    sources = [split_pieces(doc) for split in ("dev", "test") for doc in read_docs(MERGED / split, nlp.vocab)]
    folder.mkdir(parents=True)
    texts, total = enumerate(make_texts(sources, count, seed=0)), 0
    for number in range(-(-count // SHARD_SIZE)):
        shard = DocBin(attrs=ATTRIBUTES, store_user_data=True)
        for i, pieces in itertools.islice(texts, SHARD_SIZE):
            doc = nlp.make_doc(" ".join(text for text, _ in pieces))
            ends = list(itertools.accumulate(len(text) + 1 for text, _ in pieces))
            spans = [
                doc.char_span(end - len(t) - 1, end - 1, label) for (t, label), end in zip(pieces, ends, strict=True) if label
            ]
            doc.set_ents([span for span in spans if span is not None])
            doc.user_data.update(source="bench", tier="gold", group=str(i))
            total += len(doc)
            shard.add(doc)
        shard.to_disk(shard_path(folder, number))
    return total


def _load() -> Any:
    import spacy

    from ner11.training.hardware import configured_device

    device = configured_device(MODEL / "config.cfg")
    if device.is_gpu:
        spacy.require_gpu(device.gpu_id)
    nlp = spacy.load(MODEL)
    list(nlp.pipe(["The first text warms up what is made on demand."]))
    return nlp


def predict(folder: Path) -> float:
    """Only predict; give the seconds."""
    from ner11.corpus.shards import read_docs

    nlp = _load()
    texts = [doc.text for doc in read_docs(folder, nlp.vocab)]
    started = perf_counter()
    for _ in nlp.pipe(texts):
        pass
    return perf_counter() - started


def evaluate(folder: Path) -> float:
    """Measure all that the command `evaluate` measures; give the seconds."""
    from ner11.corpus.shards import read_docs
    from ner11.evaluation.run import measure_pipeline
    from ner11.schema import load_schema
    from ner11.training.encoder import Encoder, piece_counter

    nlp = _load()
    schema = load_schema(Path("configs/domains/cyber/schema.yml"))
    counter = piece_counter(Encoder(**read_json(Path("assets/encoders/selected.json"))))
    started = perf_counter()
    dev, train = (read_docs(MERGED / split, nlp.vocab) for split in ("dev", "train"))
    measure_pipeline(nlp, test=read_docs(folder, nlp.vocab), dev=dev, train=train, schema=schema, count_pieces=counter)
    return perf_counter() - started


RUNS: dict[str, Callable[[Path], float]] = {"predict": predict, "evaluate": evaluate}


def peak_mib() -> float:
    """Give the most memory that this process has held, in MiB; on Linux without what its parent held before it began."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure(name: str, folder: Path) -> dict[str, float]:
    """Run in this process; give its seconds and its peak memory."""
    return {"seconds": RUNS[name](folder), "peak_mib": peak_mib()}


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of texts, separated by commas.")] = "1000,10000",
    rounds: Annotated[int, typer.Option(min=1, help="Paired runs of each size.")] = 3,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = RESULTS,
) -> None:
    """Measure every size and write what was measured."""
    msg = Printer()
    if not MODEL.is_dir():
        raise Ner11Error("no trained model", where=MODEL, fix="Run 'spacy project run train' first")
    rows = []
    with tempfile.TemporaryDirectory(prefix="evaluation-") as temporary:
        for count in map(int, sizes.split(",")):
            folder = Path(temporary) / str(count)
            words = _alone(write_texts, folder, count)
            runs = []
            for i in range(rounds):
                names = list(RUNS)[:: -1 if i % 2 else 1]
                runs.append({name: _alone(measure, name, folder) for name in names})
                done = ", ".join(f"{name} {run['seconds']:.1f} s, {run['peak_mib']:,.0f} MiB" for name, run in runs[-1].items())
                msg.info(f"{count:,} texts, round {i + 1}: {done}")
            ratios = [run["evaluate"]["seconds"] / run["predict"]["seconds"] for run in runs]
            rows.append({"texts": count, "words": words, "runs": runs, "ratios": ratios, "ratio": median(ratios)})
            msg.good(f"{count:,} texts of {words:,} words: evaluating takes {rows[-1]['ratio']:.2f} times as long as predicting")
    write_json(out, {"machine": _alone(machine), "sizes": rows})


def machine() -> dict[str, Any]:
    """Give what the figures depend on."""
    import torch

    from ner11.evaluation.provenance import find_processor, find_versions

    return {"processor": find_processor(), "threads": torch.get_num_threads(), "versions": find_versions()}


if __name__ == "__main__":
    try:
        typer.run(main)
    except Ner11Error as e:
        sys.exit(str(e))
