"""Runs inside an environment with an installed package and nothing of ner11, to tell what the package does there.

    python -I probe.py REQUEST ANSWER

The request is a JSON object with `packages`, their names, and `contract_module`, the path of `contract.py`; to check a single
package thoroughly also with `texts`, `odd_texts` and `torch_free`. It prints what it is about to do, so that a hang has a name.
"""

import importlib.util
import json
import pickle
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

_SOME = 40
"""Texts that are run once more in each of several ways."""
_BATCH_SIZE = 8
SAME = 0.03
"""How far confidences may lie apart on one machine and in the same batches: the number of threads decides what is rounded."""

Entities = list[list[Any]]


def read_entities(docs: Iterable[Doc]) -> list[Entities]:
    """Give first character, end, label and confidence (None from a head that has none) of each entity of documents."""
    confident = Span.has_extension("confidence")
    return [[[e.start_char, e.end_char, e.label_, e._.confidence if confident else None] for e in doc.ents] for doc in docs]


def run_odd_texts(nlp: Language, texts: Sequence[str]) -> list[Entities]:
    """Find the entities of texts that may be refused, one by one; of one that is, the exception stands for an entity."""
    found: list[Entities] = []
    for text in texts:
        try:
            found += read_entities([nlp(text)])
        except Exception as e:  # whatever it is: it has to be the same as from the pipeline that the package was built from
            found.append([[0, len(text), type(e).__name__, None]])
    return found


def _load_module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("contract", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(run: Callable[[], Iterable[Doc]]) -> list[Entities]:
    return read_entities(run())


class Probe:
    """Does one thing after the other, and keeps what went wrong, a line each.

    Args:
        contract_module: Path of `contract.py`.
    """

    def __init__(self, contract_module: str) -> None:
        self.contract = _load_module(contract_module)
        self.failures: list[str] = []

    def attempt(self, what: str, do: Callable[[], Any]) -> Any:
        """Do something; None if it fails."""
        print(what, flush=True)
        try:
            return do()
        except Exception as e:  # the point is to tell about all of them
            self.failures.append(f"{what}: {type(e).__name__}: {' '.join(str(e).split())[:300]}")
            return None

    def load(self, package: str, **settings: Any) -> Any:
        """Load a package, and hold it against the contract in it; None if it cannot be loaded."""
        nlp = self.attempt(f"loading {package}", lambda: spacy.load(package, **settings))
        if nlp is not None:
            differences = self.attempt("its contract", lambda: self.contract.verify_contract(nlp, self._read_contract(nlp)))
            self.failures += [f"its contract: {difference}" for difference in differences or ()]
        return nlp

    def _read_contract(self, nlp: Language) -> dict[str, Any]:
        assert nlp.path is not None
        return dict(json.loads((nlp.path / self.contract.FILE).read_text(encoding="utf8")))

    def check_same(self, ways: dict[str, Callable[[], Iterable[Doc]]], *, texts: Sequence[str]) -> None:
        """Run texts in several ways, and compare the entities with those of the first way."""
        expected: list[dict[str, Any]] = []
        for what, run in ways.items():
            found = self.attempt(what, partial(_run, run))
            if found is None:
                continue
            if not expected:
                expected = [{"text": text, "entities": entities} for text, entities in zip(texts, found, strict=True)]
            different = self.contract.compare_answers(found, expected, tolerance=SAME, what="text")
            self.failures += [f"{what}: {line}" for line in different[:1]]


def check(probe: Probe, request: dict[str, Any]) -> dict[str, Any]:
    """Check one package thoroughly; gives what it found in the texts, and how long it took to load."""
    (package,) = request["packages"]
    started = perf_counter()
    nlp: Language | None = probe.attempt("loading", lambda: spacy.load(package))
    seconds = perf_counter() - started
    if nlp is None:
        return {}
    loaded: Language = nlp
    some = request["texts"][:_SOME]

    def in_threads() -> list[Doc]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(loaded, some))

    answers = probe.attempt("the test texts", lambda: read_entities(loaded.pipe(request["texts"])))
    odd = probe.attempt("odd texts", lambda: run_odd_texts(loaded, request["odd_texts"]))
    # Each in the same batches as the first of its group: how much is padded changes what bf16 rounds.
    batches = partial(loaded.pipe, some, batch_size=_BATCH_SIZE)
    groups: tuple[dict[str, Callable[[], Iterable[Doc]]], ...] = (
        {
            "batches": batches,
            "two processes (n_process=2)": partial(batches, n_process=2),
            "after pickling": lambda: pickle.loads(pickle.dumps(loaded)).pipe(some, batch_size=_BATCH_SIZE),
        },
        {"one by one": lambda: map(loaded, some), "four threads": in_threads},
    )
    for ways in groups:
        probe.check_same(ways, texts=some)
    told = probe.attempt("spacy.info", lambda: spacy.info(package, silent=True)) or {}
    if told and (told["name"], told["version"]) != (loaded.meta["name"], loaded.meta["version"]):
        probe.failures.append(f"spacy.info: {told['name']} {told['version']}, not {loaded.meta['name']} {loaded.meta['version']}")
    if request["torch_free"]:
        one = probe.attempt("the setting threads", lambda: spacy.load(package, config={"components": {"ner": {"threads": 1}}}))
        if one is not None and one.get_pipe("ner").threads != 1:
            probe.failures.append(f"the setting threads: {one.get_pipe('ner').threads} instead of 1")
        present = [name for name in ("torch", "transformers") if name in sys.modules or importlib.util.find_spec(name)]
        probe.failures += [f"{name} is there" for name in present]
    return {"answers": answers, "odd_answers": odd, "load_seconds": seconds}


def main(request_path: str, answer_path: str) -> None:
    request = json.loads(Path(request_path).read_text(encoding="utf8"))
    probe = Probe(request["contract_module"])
    if importlib.util.find_spec("ner11"):
        probe.failures.append("the library ner11 is there too")
    found = check(probe, request) if "texts" in request else {}
    for package in request["packages"]:
        probe.load(package)
    Path(answer_path).write_text(json.dumps({**found, "failures": probe.failures}), encoding="utf8")


if __name__ == "__main__":
    main(*sys.argv[1:])
