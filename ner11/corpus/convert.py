"""Data sets to shards: read here, harmonized, tokenized and written by worker processes."""

import gc
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

from pydantic import ValidationError
from spacy.lang.en import English
from spacy.language import create_tokenizer
from spacy.strings import get_string_id
from spacy.tokenizer import Tokenizer
from spacy.vocab import create_vocab

from ner11.annotation import LEFT_OUT, AnnotatedText
from ner11.corpus.docs import TaggedDoc, split_long, tag_text, to_rows
from ner11.corpus.index import write_index
from ner11.corpus.shards import SHARD_SIZE, shard_path
from ner11.corpus.workers import collect_less_garbage, count_workers, start_worker
from ner11.datasets import Dataset, Split
from ner11.errors import Ner11Error
from ner11.gazetteer.entities import Entity
from ner11.gazetteer.matcher import GazetteerMatcher
from ner11.gazetteer.silver import silver_texts
from ner11.harmonize import Harmonizer, Unmapped
from ner11.ledger import Ledger
from ner11.offsets import ELSEWHERE
from ner11.readers import readers
from ner11.schema import Schema, first_problem

SHARD_CHARACTERS = 4_000_000
_CACHED_WORDS = 200_000
_USABLE = ("kept", "trimmed", "repaired", "widened", "ambiguous", "outside")
_KNOWN_WORDS = 500_000  # a vocabulary never forgets a word, and a large corpus has no end of hashes and addresses


@dataclass
class Batch:
    """Texts of one split that become one shard."""

    dataset: Dataset
    split: Split
    number: int
    texts: list[AnnotatedText] = field(default_factory=list)
    characters: int = 0


@dataclass
class Converted:
    """What a worker made of a batch: documents written, the ledger, labels that the map does not have."""

    docs: int
    ledger: Ledger
    unmapped: Unmapped


def make_tokenizer() -> Tokenizer:
    """Make the tokenizer of the pipeline to be trained, with room for the words of a large corpus.

    It is that of `spacy.blank("en")`, without the pipeline around it, which would load every installed component.
    """
    parts = SimpleNamespace(Defaults=English.Defaults, vocab=create_vocab("en", English.Defaults))
    tokenizer = create_tokenizer()(parts)  # type: ignore[arg-type]
    tokenizer.max_cache_size = _CACHED_WORDS
    return tokenizer


@dataclass
class SilverSource:
    """A data set that gazetteers make of the training texts of the others.

    Attributes:
        name: Its name.
        weight: Draws an epoch.
        entities: Names to find.
    """

    name: str
    weight: float
    entities: list[Entity]


class BatchConverter:
    """Converts batches; one lives in each worker process.

    Args:
        schema: The label tree.
        out: Folder to write `<data set>/<split>/` into.
        strict: A record that is damaged or has a problem is an error.
        silver: What gazetteers add.
    """

    def __init__(self, schema: Schema, out: Path, *, strict: bool = False, silver: SilverSource | None = None) -> None:
        self._schema, self._out, self._strict, self._silver = schema, out, strict, silver
        self._start()

    def _start(self) -> None:
        self._tokenizer = make_tokenizer()
        self._matcher = GazetteerMatcher(self._silver.entities, self._tokenizer) if self._silver else None

    def __call__(self, batch: Batch) -> Converted:
        """Harmonize, tokenize and write the texts of a batch.

        Raises:
            Ner11Error: If a node of the map is unknown; with `strict`, for the first damaged record.
        """
        if len(self._tokenizer.vocab.strings) > _KNOWN_WORDS:
            self._start()
        ledger, harmonizer = Ledger(), Harmonizer(batch.dataset, self._schema)
        docs: list[TaggedDoc] = []
        found: list[TaggedDoc] = []
        for text in batch.texts:
            if self._strict and (text.damage or text.problems) and not text.damage.startswith(LEFT_OUT):
                what = text.damage or text.problems[0]
                raise Ner11Error(what, where=f"{text.where}:{text.line}", fix="Correct it, or leave --strict out")
            try:
                harmonizer(text)
                if self._strict:
                    self._check_places(text)
                docs.extend(self._tag(text, batch, ledger))
                if self._matcher and batch.split == "train" and not text.damage:
                    found.extend(self._find(text, batch, ledger))
            except Ner11Error:
                raise
            except Exception as e:
                # A defect must name the record it fell over: among a million texts it could not be found again.
                raise Ner11Error(
                    f"ner11 failed on this record ({type(e).__name__}: {e})",
                    where=f"{text.where}:{text.line}",
                    fix="Take it out, and report this as a defect of ner11",
                ) from e
        if docs:
            self._write(docs, shard_path(self._out / batch.dataset.name / batch.split, batch.number))
        if found and self._silver:
            folder = self._out / self._silver.name / batch.split
            self._write(found, folder / f"{batch.dataset.name}-{batch.number:04}.spacy")
        return Converted(len(docs), ledger, harmonizer.unmapped)

    @staticmethod
    def _check_places(text: AnnotatedText) -> None:
        for span in text.spans:
            if span.outcome == "dropped" or span.reason == ELSEWHERE:
                raise Ner11Error(f"{span.origin}: {span.reason}", where=text.place(span), fix="Correct it, or leave --strict out")

    def _tag(self, text: AnnotatedText, batch: Batch, ledger: Ledger) -> list[TaggedDoc]:
        return list(
            tag_text(
                text,
                split=batch.split,
                make_doc=self._tokenizer,
                max_tokens=batch.dataset.max_tokens,
                long_texts=batch.dataset.long_texts,
                ledger=ledger,
            )
        )

    def _find(self, text: AnnotatedText, batch: Batch, ledger: Ledger) -> list[TaggedDoc]:
        assert self._matcher and self._silver
        doc, limit = self._tokenizer(text.text), batch.dataset.max_tokens
        # Cut first, or the pieces without a find would be texts that say nothing.
        pieces = split_long(text, doc, limit) if len(doc) > limit and batch.dataset.long_texts == "split" else [text]
        made = silver_texts(pieces, matcher=self._matcher, schema=self._schema, name=self._silver.name)
        weighted = (replace(one, weight=self._silver.weight) for one in made)
        return [doc for one in weighted for doc in self._tag(one, batch, ledger)]

    @staticmethod
    def _write(docs: list[TaggedDoc], path: Path) -> None:
        rows = to_rows(docs)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write(path)
        write_index(docs, rows, path)


def read_split(dataset: Dataset, split: Split, *, root: Path) -> Iterator[AnnotatedText]:
    """Read the files of a split of a data set.

    Args:
        dataset: The data set.
        split: One of its splits.
        root: The project's folder, which the data set's path is relative to.

    Raises:
        Ner11Error: If the format or an option is unknown, a file cannot be read, or the reader fails on it.
    """
    if dataset.format not in readers:
        raise Ner11Error(
            f"unknown format '{dataset.format}'",
            where=dataset.where("format"),
            fix=f"Choose from {', '.join(sorted(readers.get_all()))}",
        )
    read = readers.get(dataset.format)
    for file in dataset.files(split, root):
        try:
            yield from read(file, **{**dataset.options, **dataset.splits[split].options})
        except ValidationError as e:
            problem = first_problem(e)
            raise Ner11Error(f"options: {problem}", where=dataset.where("options"), fix="Correct it") from e
        except (Ner11Error, OSError, MemoryError):
            raise
        except Exception as e:
            raise Ner11Error(
                f"the reader '{dataset.format}' failed ({type(e).__name__}: {e})",
                where=file,
                fix="Check the format, or report this as a defect of ner11",
            ) from e


def assign_split(dataset: Dataset, group: str, seed: int) -> Split:
    """Choose the split of a document of a set without official ones, from its name and the seed alone."""
    draw = get_string_id(f"{seed}/{dataset.name}/{group}") / 2**64
    for split, share in sorted(dataset.hold_out.items()):
        if draw < share:
            return split
        draw -= share
    return "train"


def _storable(name: str) -> str:
    """Write bytes of a file name that are no UTF-8 as escapes."""
    return name if name.isascii() else name.encode("utf8", "backslashreplace").decode("utf8")


def batches(dataset: Dataset, *, root: Path, seed: int) -> Iterator[Batch]:
    """Read a data set as batches, each the size of a shard."""
    numbers: dict[str, int] = dict.fromkeys(("train", "dev", "test"), 0)
    opened: dict[Split, Batch] = {}
    for official in dataset.splits:
        for text in read_split(dataset, official, root=root):
            split = assign_split(dataset, text.group, seed) if official == "train" and dataset.hold_out else official
            text.group, text.where = _storable(text.group), _storable(text.where)
            batch = opened.setdefault(split, Batch(dataset, split, numbers[split]))
            batch.texts.append(text)
            batch.characters += len(text.text)
            if len(batch.texts) == SHARD_SIZE or batch.characters > SHARD_CHARACTERS:
                numbers[split] += 1
                yield opened.pop(split)
    yield from opened.values()


_converter: BatchConverter | None = None


def _start_worker(schema: Schema, out: Path, strict: bool, silver: SilverSource | None) -> None:
    global _converter
    start_worker()
    _converter = BatchConverter(schema, out, strict=strict, silver=silver)


def _convert_batch(batch: Batch) -> Converted:
    assert _converter is not None
    return _converter(batch)


def convert(
    datasets: Iterable[Dataset],
    *,
    schema: Schema,
    root: Path,
    out: Path,
    seed: int,
    strict: bool = False,
    silver: SilverSource | None = None,
) -> tuple[dict[str, dict[str, int]], Ledger]:
    """Convert data sets to folders of shards, on all cores.

    Args:
        datasets: The data sets.
        schema: The label tree.
        root: The project's folder, which the data sets' paths are relative to.
        out: Folder to write `<data set>/<split>/` into.
        seed: Seed of the splits of sets without official ones.
        strict: A record that is damaged or has a problem is an error.
        silver: What gazetteers add to the training texts.

    Returns:
        Documents by data set and split; and the outcome of every span and text.

    Raises:
        Ner11Error: If a format or an option is unknown, a file cannot be read, a label has no place in the schema, or a
            split ends up without texts.
    """
    ledger = Ledger()
    counts: dict[str, dict[str, int]] = {}
    workers = count_workers()
    thresholds = gc.get_threshold()
    collect_less_garbage()
    with ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(schema, out, strict, silver)) as pool:
        try:
            for dataset in datasets:
                Harmonizer(dataset, schema)  # an error in the map shows before a long file is read
                counts[dataset.name] = _convert_dataset(dataset, pool, ledger, root=root, seed=seed, workers=workers)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            gc.set_threshold(*thresholds)
    ledger.check()
    return counts, ledger


def _submit(pool: ProcessPoolExecutor, batch: Batch) -> Future[Converted]:
    """Hand a batch to a worker; if one has died, the error comes in its turn, behind those of the batches before."""
    try:
        return pool.submit(_convert_batch, batch)
    except BrokenProcessPool as e:
        broken: Future[Converted] = Future()
        broken.set_exception(e)
        return broken


def _convert_dataset(
    dataset: Dataset, pool: ProcessPoolExecutor, ledger: Ledger, *, root: Path, seed: int, workers: int
) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys([*dataset.splits, *dataset.hold_out], 0)
    unmapped = Unmapped()
    waiting: deque[tuple[Batch, Future[Converted]]] = deque()

    def collect() -> None:
        batch, future = waiting.popleft()
        try:
            converted = future.result()
        except BrokenProcessPool as e:
            first, last = batch.texts[0], batch.texts[-1]
            raise Ner11Error(
                f"a worker process died between here and {last.where}:{last.line}",
                where=f"{first.where}:{first.line}",
                fix="Free memory, or set max_tokens and long_texts for this data set, and run again",
            ) from e
        counts[batch.split] += converted.docs
        ledger.update(converted.ledger)
        unmapped.update(converted.unmapped)

    for batch in batches(dataset, root=root, seed=seed):
        waiting.append((batch, _submit(pool, batch)))
        if len(waiting) > 2 * workers:
            collect()
    while waiting:
        collect()
    unmapped.check(dataset)
    for split, count in counts.items():
        if not count and split not in dataset.hold_out:  # a tenth of a few texts may be none
            raise Ner11Error(
                f"the {split} split has no texts{_main_reason(ledger, dataset.name, split)}",
                where=dataset.where("splits"),
                fix="Correct its files or the options, or take the split out",
            )
    spans = [(key, count) for key, count in ledger.spans.items() if key.source == dataset.name]
    if not any(key.outcome in _USABLE for key, _ in spans):
        reasons: Counter[str] = Counter()
        for key, count in spans:
            reasons[key.reason] += count
        most = "".join(f" ({count} x {reason})" for reason, count in reasons.most_common(1))
        raise Ner11Error(
            f"not one usable span in {sum(counts.values())} texts{most}",
            where=dataset.where("options"),
            fix="Correct the options of the format, or the labels",
        )
    return counts


def _main_reason(ledger: Ledger, source: str, split: str) -> str:
    """Say why most of the texts of a split were left out, with a place."""
    lost = {key: count for key, count in ledger.texts.items() if key[:3] == (source, split, "dropped")}
    if not lost:
        return ": its files are empty"
    key = max(lost, key=lambda key: lost[key])
    return f": {lost[key]} x {key[3]}, first in {ledger.examples[key][0]}"
