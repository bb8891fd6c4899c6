"""Make the entity list of a domain from its gazetteers, and measure it against the annotated data sets that are there."""

from common import ROOT, Domain, Quiet, command, datasets_path, gazetteers_path, schema_path

# isort: split
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import srsly
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.annotation import AnnotatedText
from ner11.corpus.convert import make_tokenizer, read_split
from ner11.datasets import Dataset, load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.files import replaced_dir, write_json
from ner11.gazetteer.config import Gazetteer, load_gazetteers
from ner11.gazetteer.entities import Entity, Excluded, build_entities, to_row
from ner11.gazetteer.hazards import load_word_probabilities
from ner11.gazetteer.matcher import GazetteerMatcher
from ner11.gazetteer.silver import precision
from ner11.gazetteer.sources import read_names
from ner11.harmonize import Harmonizer
from ner11.schema import Schema, load_schema


def _annotated(datasets: list[Dataset], schema: Schema) -> Iterator[AnnotatedText]:
    """Harmonize the texts of annotated sets, all but the test splits."""
    for dataset in datasets:
        harmonizer = Harmonizer(dataset, schema)
        for split in dataset.splits:
            if split != "test":
                yield from (text for text in map(harmonizer, read_split(dataset, split, root=ROOT)) if not text.damage)


def _count(entities: list[Entity], excluded: list[Excluded]) -> list[tuple[str, str, str, int]]:
    kept = Counter((*key, "") for entity in entities for key in {(name.gazetteer, name.node) for name in entity.sources})
    kept.update((*key, name.reason) for name in excluded for key in {(source.gazetteer, source.node) for source in name.sources})
    return [(*key, count) for key, count in sorted(kept.items())]


def _present(declared: list[Gazetteer], path: Path, msg: Printer) -> list[Gazetteer]:
    gazetteers = [gazetteer for gazetteer in declared if (ROOT / gazetteer.path).is_dir()]
    for gazetteer in declared:
        if gazetteer not in gazetteers:
            msg.warn(f"Skipped: gazetteer {gazetteer.name} is not there ({gazetteer.path})")
    if not gazetteers:
        raise Ner11Error("none of the gazetteers is there", where=path, fix="Run 'spacy project assets --extra' and 'fetch'")
    return gazetteers


@command
def main(domain: Domain = "cyber", quiet: Quiet = False) -> None:
    """Write corpus/gazetteer: entities.jsonl, excluded.jsonl with a reason for each name, and summary.json."""
    msg = Printer(no_print=quiet)
    schema = load_schema(schema_path(domain))
    path = gazetteers_path(domain)
    gazetteers = _present(load_gazetteers(path, schema).gazetteers, path, msg)
    tokenizer = make_tokenizer()
    entities, excluded = build_entities(
        [name for gazetteer in gazetteers for name in read_names(gazetteer, root=ROOT)],
        schema=schema,
        probabilities=load_word_probabilities("en"),
        count_tokens=lambda name: len(tokenizer(name)),
    )
    datasets, _ = select_datasets(load_datasets(datasets_path(domain)), "present", root=ROOT)
    texts = tqdm(_annotated(datasets, schema), desc="Annotated texts", disable=True if quiet else None, leave=False)
    rows = precision(texts, matcher=GazetteerMatcher(entities, tokenizer), schema=schema)
    counts = _count(entities, excluded)
    summary = {
        "entities": len(entities),
        "excluded": len(excluded),
        "gazetteers": [gazetteer.model_dump(mode="json", include={"name", "url", "license"}) for gazetteer in gazetteers],
        "names": [dict(zip(("gazetteer", "node", "excluded", "count"), row, strict=True)) for row in counts],
        "precision": [{**row._asdict(), "precision": row.precision} for row in rows],
    }
    folder = ROOT / "corpus" / "gazetteer"
    with replaced_dir(folder) as partial:
        srsly.write_jsonl(partial / "entities.jsonl", map(to_row, entities))
        srsly.write_jsonl(partial / "excluded.jsonl", map(to_row, excluded))
        write_json(partial / "summary.json", summary)
    msg.table(counts, header=("gazetteer", "node", "excluded as", "names"), divider=True, aligns=("l", "l", "l", "r"))
    header = ("label", "annotated in", "found", "exact", "other borders", "other label", "not annotated", "precision")
    found = [(r.label, r.source, r.matches, r.exact, r.border, r.other, r.none, f"{r.precision:.2f}") for r in rows]
    msg.table(found, header=header, divider=True, aligns=("l", "l", *"r" * 6))
    msg.good(f"{len(entities)} names to match, {len(excluded)} excluded, in {folder}")


if __name__ == "__main__":
    typer.run(main)
