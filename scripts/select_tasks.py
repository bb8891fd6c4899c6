"""Choose the texts of a pool that are worth annotating next, as tasks for Label Studio, best first."""

from common import ROOT, Domain, Quiet, command

# isort: split
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import spacy
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.active.candidates import Wishes
from ner11.active.model import load_pool_model
from ner11.active.pool import list_pool, read_pool
from ner11.active.selection import select
from ner11.active.strategies import find_strategy
from ner11.active.tasks import to_tasks
from ner11.corpus.shards import read_docs
from ner11.errors import Ner11Error
from ner11.files import write_json
from ner11.serving.settings import load_settings
from ner11.serving.versions import VersionStore

SPLITS = ("train", "dev", "test")
OUT = ROOT / "training" / "selected.json"


def _annotated(exports: str, domain: str, key: str) -> Iterator[str]:
    """Give the texts of the merged corpus, those that were retrained on, and those that exports have an annotation for."""
    vocab = spacy.blank("en").vocab
    for split in SPLITS:
        folder = ROOT / "corpus" / "merged" / split
        yield from (doc.text for doc in (read_docs(folder, vocab) if folder.is_dir() else ()))
    pulled = [(path, "text") for path in sorted((ROOT / "assets" / domain / "annotated").glob("*.json"))]
    given = [(Path(name), key) for each in exports.split(",") if (name := each.strip())]
    for export, field in [*pulled, *given]:
        yield from (text.text for text in read_pool(list_pool(export), key=field) if text.annotated)


@command
def main(
    pool: Annotated[str, typer.Argument(help="A .txt, .jsonl or .json file, or a folder with such files.")],
    model: Annotated[
        str, typer.Option(help="Folder of a pipeline, or package; else the version that the server answers with.")
    ] = "",
    domain: Domain = "cyber",
    strategy: Annotated[str, typer.Option(help="Query strategy; docs/active-learning.md says which pays.")] = "mnlp",
    count: Annotated[int | None, typer.Option(help="How many texts to choose; else NER11_SAMPLES_PER_ITERATION, or 500.")] = None,
    random_share: Annotated[float, typer.Option(help="Share of them that is drawn at random.")] = 0.15,
    threshold: Annotated[
        float | None, typer.Option(help="Least uncertainty of the others, 0 to 1; else NER11_UNCERTAINTY_THRESHOLD, or 0.")
    ] = None,
    annotated: Annotated[str, typer.Option(help="Exports of Label Studio, separated by commas: what is annotated there.")] = "",
    key: Annotated[str, typer.Option(help="Field of the text in .jsonl and .json files.")] = "text",
    out: Annotated[Path, typer.Option(help="The file to write.")] = OUT,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write tasks with predictions, which Label Studio imports."""
    msg = Printer(no_print=quiet)
    if not pool:
        raise Ner11Error("no pool", where="--vars.pool", fix="Give a file or folder with texts")
    settings = load_settings()
    count = settings.samples_per_iteration if count is None else count
    threshold = settings.uncertainty_threshold if threshold is None else threshold
    wishes = Wishes(find_strategy(strategy), count, random_share, threshold, seed)
    files = list_pool(Path(pool))
    left_out: Counter[str] = Counter()
    version = None if model else VersionStore(settings.state, settings.model).current()
    reader = load_pool_model(version.pipeline if version else model)
    texts = tqdm(read_pool(files, key=key, left_out=left_out), desc="Texts", disable=True if quiet else None, leave=False)
    selection = select(texts, reader, wishes, annotated=list(_annotated(annotated, domain, key)))
    tasks = to_tasks(selection.chosen, strategy=strategy, model_version=version.id if version else reader.version, key=key)
    write_json(out, tasks)
    left_out.update(selection.left_out)
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in left_out.items() if number)
    msg.info(f"{selection.read:,} texts read; left out: {reasons or 'none'}")
    if len(tasks) < count:
        msg.warn(f"Only {len(tasks)} of {count} texts are left to choose")
    drawn = sum(one.at_random for one in selection.chosen)
    msg.good(f"Wrote {out}: {len(tasks)} tasks, {drawn} of them drawn at random")


if __name__ == "__main__":
    typer.run(main)
