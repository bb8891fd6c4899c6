"""Make the entity list of a domain from its gazetteers."""

from collections import Counter

from common import ROOT, Domain, Quiet, command, schema_path

# isort: split
import spacy
import srsly
import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.files import replaced_dir, write_json
from ner11.gazetteer.config import load_gazetteers
from ner11.gazetteer.entities import build_entities, to_row
from ner11.gazetteer.hazards import load_word_probabilities
from ner11.gazetteer.sources import read_names
from ner11.schema import load_schema


@command
def main(domain: Domain = "cyber", quiet: Quiet = False) -> None:
    """Write corpus/gazetteer: entities.jsonl, excluded.jsonl with a reason for each name, and summary.json."""
    msg = Printer(no_print=quiet)
    schema = load_schema(schema_path(domain))
    path = ROOT / "configs" / "domains" / domain / "gazetteers.yml"
    declared = load_gazetteers(path, schema)
    gazetteers = [gazetteer for gazetteer in declared if (ROOT / gazetteer.path).is_dir()]
    for gazetteer in declared:
        if gazetteer not in gazetteers:
            msg.warn(f"Skipped: gazetteer {gazetteer.name} is not there ({gazetteer.path})")
    if not gazetteers:
        raise Ner11Error("none of the gazetteers is there", where=path, fix="Fetch their files")
    tokenizer = spacy.blank("en").tokenizer
    entities, excluded = build_entities(
        [name for gazetteer in gazetteers for name in read_names(gazetteer, root=ROOT)],
        schema=schema,
        probabilities=load_word_probabilities("en"),
        count_tokens=lambda name: len(tokenizer(name)),
    )
    kept = Counter((*key, "") for entity in entities for key in {(name.gazetteer, name.node) for name in entity.sources})
    kept.update((*key, name.reason) for name in excluded for key in {(source.gazetteer, source.node) for source in name.sources})
    counts = [(*key, count) for key, count in sorted(kept.items())]
    summary = {
        "entities": len(entities),
        "excluded": len(excluded),
        "gazetteers": [gazetteer.model_dump(mode="json", include={"name", "url", "license"}) for gazetteer in gazetteers],
        "names": [dict(zip(("gazetteer", "node", "excluded", "count"), row, strict=True)) for row in counts],
    }
    folder = ROOT / "corpus" / "gazetteer"
    with replaced_dir(folder) as partial:
        srsly.write_jsonl(partial / "entities.jsonl", map(to_row, entities))
        srsly.write_jsonl(partial / "excluded.jsonl", map(to_row, excluded))
        write_json(partial / "summary.json", summary)
    msg.table(counts, header=("gazetteer", "node", "excluded as", "names"), divider=True, aligns=("l", "l", "l", "r"))
    msg.good(f"{len(entities)} names to match, {len(excluded)} excluded, in {folder}")


if __name__ == "__main__":
    typer.run(main)
