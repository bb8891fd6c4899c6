"""Texts from standard input, one a line; their entities to standard output, one line of JSON a text. `--check` tries one text."""

import json
import os
import sys
from collections.abc import Iterable

import spacy


def find_entities(texts: Iterable[str]) -> Iterable[str]:
    """Give a line of JSON for each text: start and end in characters, label, text and confidence of each entity."""
    nlp = spacy.load(os.environ["NER11_PACKAGE"])
    for doc in nlp.pipe(texts):
        entities = [
            {
                "start": entity.start_char,
                "end": entity.end_char,
                "label": entity.label_,
                "text": entity.text,
                "confidence": round(entity._.confidence, 4),
            }
            for entity in doc.ents
        ]
        yield json.dumps(entities, ensure_ascii=False)


if __name__ == "__main__":
    lines = ["Ready?"] if sys.argv[1:] == ["--check"] else (line.rstrip("\n") for line in sys.stdin)
    for line in find_entities(lines):
        print(line, flush=True)
