"""A small label tree, and gazetteers made by hand."""

import pytest
import spacy

from ner11.gazetteer.config import Gazetteer
from ner11.gazetteer.entities import Entity
from ner11.gazetteer.matcher import GazetteerMatcher
from ner11.gazetteer.sources import Name
from ner11.schema import Schema
from tests.trees import node


@pytest.fixture(scope="session")
def tokenizer():
    return spacy.blank("en").tokenizer


@pytest.fixture
def schema():
    capability = node("CAPABILITY", node("MALWARE", node("RANSOMWARE"), node("WIPER"), active=True), node("TOOL", active=True))
    root = node("ROOT", capability, node("GROUP", active=True), node("PLACE", active=True), node("CAMPAIGN"))
    level = {id(root): 1}
    for one in root.walk():
        one.level = level[id(one)]
        level.update({id(child): one.level + 1 for child in one.children})
    return Schema("test", [root])


@pytest.fixture
def gazetteer(tmp_path):
    """Write the files of a gazetteer and declare it."""

    def write(files, **options):
        for name, content in files.items():
            path = tmp_path / "g" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Gazetteer(name="g", path=tmp_path / "g", url="u", license="MIT", **{"files": "**/*.*", **options})

    return write


def name(text, label="MALWARE", **fields):
    return Name(**{"name": text, "node": label, "gazetteer": "g", "file": "f", "id": "1", "of": text, **fields})


@pytest.fixture
def matcher(tokenizer):
    """A matcher of names given as `name=node`; blanks for underscores, a star for any case."""

    def make(**nodes):
        entities = [Entity(text.replace("_", " "), label.strip("*"), "*" in label, ()) for text, label in nodes.items()]
        return GazetteerMatcher(entities, tokenizer)

    return make
