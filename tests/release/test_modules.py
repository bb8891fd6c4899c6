import subprocess
import sys

import pytest
from spacy.util import load_config

from ner11.release.modules import PIPELINE, find_modules, follow_imports, read_imports
from ner11.release.package import REQUIREMENTS

TRAINING_ONLY = {"batching"}
NEED_TORCH = {"optimizer", "transformer"}
RUN = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["spacy_transformers"] = None
for module in sys.argv[1:]:
    __import__(f"ner11.pipeline.{module}")
"""


@pytest.fixture(scope="module")
def modules(pipelines):
    return {name: set(find_modules(load_config(path / "config.cfg"))) for name, path in pipelines.items()}


def test_a_package_has_the_modules_that_its_configuration_names_and_what_they_import(modules):
    assert {"softmax_ner", "logits", "loss", "scoring", "transformer", "windows", "chain", "fork"} <= modules["torch"]
    assert not (TRAINING_ONLY | {"onnx_ner"}) & modules["torch"]
    assert {"onnx_ner", "windows", "chain", "scoring"} <= modules["int8"]
    assert not (TRAINING_ONLY | NEED_TORCH | {"softmax_ner", "loss", "allowed"}) & modules["int8"]


def test_nothing_without_torch_imports_it(modules):
    done = subprocess.run([sys.executable, "-c", RUN, *sorted(modules["int8"])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_the_modules_import_is_required(modules):
    """spaCy brings thinc and srsly with it, spacy-transformers brings torch and transformers."""
    brought = {"spacy", "thinc", "srsly"}
    torch_brought = brought | {"spacy_transformers", "torch", "transformers"}
    for name, known in (("torch", torch_brought), ("int8", brought)):
        imported = {package for module in modules[name] for package in read_imports(PIPELINE / f"{module}.py")[1]}
        assert imported - known - sys.stdlib_module_names <= REQUIREMENTS.keys()


def test_imports_are_followed_to_their_end():
    assert set(follow_imports(["softmax_ner"])) >= {"softmax_ner", "allowed", "tags", "scoring"}
    assert follow_imports(["tags"]) == ("tags",)
