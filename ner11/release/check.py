"""Does the wheel work where nothing else is installed, and say the same as the model that it was built from?"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy

from ner11.errors import Ner11Error

_RUN_INSTALLED = """
import importlib.util, json, sys
import spacy
if importlib.util.find_spec("ner11"):
    sys.exit("the library ner11 is installed here too")
nlp = spacy.load(sys.argv[1])
texts = json.load(open(sys.argv[2], encoding="utf8"))
entities = [[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in nlp.pipe(texts)]
json.dump({"version": nlp.meta["version"], "entities": entities}, open(sys.argv[3], "w"))
"""


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]


def check_package(wheel: Path, model: Path, *, texts: Sequence[str], constraints: Path) -> dict[str, Any]:
    """Install a wheel into a new environment and compare it with the model that it was built from.

    Args:
        wheel: The wheel.
        model: Folder of the model.
        texts: Raw texts to run.
        constraints: Versions to install (the tested lock).

    Returns:
        Name and version of the package, and how many texts and entities were compared.

    Raises:
        Ner11Error: If the wheel cannot be installed or loaded, or says anything else than the model.
    """
    package = wheel.name.split("-")[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = folder / "venv"
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), str(wheel)]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            raise Ner11Error(f"cannot be installed ({_last_line(done)})", where=wheel, fix="Check its requirements in meta.json")
        given, found = folder / "texts.json", folder / "entities.json"
        given.write_text(json.dumps(list(texts)), encoding="utf8")
        # From the temporary folder, in isolated mode: nothing of the project is importable there.
        done = subprocess.run(
            [python, "-I", "-c", _RUN_INSTALLED, package, given, found], capture_output=True, text=True, cwd=folder
        )
        if done.returncode:
            raise Ner11Error(f"cannot be run ({_last_line(done)})", where=wheel, fix="Load it by hand in a clean environment")
        result = json.loads(found.read_text(encoding="utf8"))
    nlp = spacy.load(model)
    expected = [[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in nlp.pipe(texts)]
    different = [i for i, pair in enumerate(zip(expected, result["entities"], strict=True)) if pair[0] != pair[1]]
    if different:
        raise Ner11Error(
            f"{len(different)} of {len(texts)} texts have other entities than {model}",
            where=wheel,
            fix="Build the package again; if it stays so, report it as a defect of ner11",
        )
    entities = sum(len(spans) for spans in expected)
    return {"package": package, "version": result["version"], "texts": len(texts), "entities": entities}
