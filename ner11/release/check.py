"""Do the packages work where nothing else is installed, and say the same as the pipelines that they were built from?"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import spacy

from ner11.errors import Ner11Error
from ner11.files import hash_file
from ner11.release import contract, probe
from ner11.release.contract import compare_answers
from ner11.release.package import Package

SECONDS = 1800
"""After which a check counts as hanging."""
_SHOWN = 3
"""Differences between a package and its pipeline that are told."""
ODD_TEXTS = (
    "",
    " \n\t ",
    "🙂",
    "🙂👩‍🚀🏭" * 50,
    "a",
    "CVE-2021-44228 " * 200,
    "0123456789abcdef" * 625,
    "Sandworm\x00used KillDisk\x00",
    "Sandworm used \ud800 KillDisk",
    ("communication infrastructure organization administration " * 20_000)[:1_000_000],
)
"""Texts that something may choke on: nothing, emoji, a token of 10,000 characters, NUL, a lone surrogate, a megabyte."""


class Environment:
    """A virtual environment of its own.

    Args:
        folder: Where to make it.
        constraints: Versions to install (the tested lock).
    """

    def __init__(self, folder: Path, *, constraints: Path) -> None:
        self.folder, self.constraints = folder, constraints.resolve()
        venv.create(folder, with_pip=True)
        self.python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        self._empty = self._size()

    def install(self, wheel: Path) -> None:
        """Install a wheel with what it requires.

        Raises:
            Ner11Error: If it cannot be installed.
        """
        pip: list[str | Path] = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "--constraint", self.constraints, wheel.resolve()], capture_output=True, text=True)
        if done.returncode:
            raise Ner11Error(f"cannot be installed ({_last_line(done.stderr)})", where=wheel, fix="Check its requirements")

    def installed_bytes(self) -> int:
        """Give the size of what was installed."""
        return self._size() - self._empty

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("[Ll]ib/**/*") if path.is_file() and not path.is_symlink())

    def probe(self, packages: Sequence[str], *, seconds: float = SECONDS, **request: Any) -> dict[str, Any]:
        """Run `probe.py` here.

        Args:
            packages: Names of the installed packages.
            seconds: After which it counts as hanging.
            request: What else to check.

        Returns:
            What it found, with the `failures`.
        """
        given, found = self.folder / "request.json", self.folder / "answer.json"
        found.unlink(missing_ok=True)
        whole = {"packages": list(packages), "contract_module": contract.__file__, **request}
        given.write_text(json.dumps(whole), encoding="utf8")
        # From its own folder, in isolated mode: nothing of the project is importable there.
        command: list[str | Path] = [self.python, "-I", probe.__file__, given, found]
        printed = self.folder / "printed.txt"
        with printed.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.PIPE, text=True, cwd=self.folder, start_new_session=True
            )
            try:
                _, complaints = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                return {"failures": [f"{_last_line(printed.read_text())}: hangs (no end after {seconds:.0f} s)"]}
            finally:
                if process.poll() is None:  # it hangs, or the user interrupts: it has a session of its own
                    _kill(process)
        if not found.is_file():
            return {"failures": [f"{_last_line(printed.read_text())}: {_last_line(complaints)}"]}
        return dict(json.loads(found.read_text(encoding="utf8")))


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with those that it has started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def _last_line(printed: str) -> str:
    return (printed.strip() or "no output").splitlines()[-1]


def check_packages(
    packages: Sequence[Package], *, texts: Sequence[str], constraints: Path, tell: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    """Install each package into a new environment and compare it with the pipeline that it was built from.

    At last all are installed into one environment, and the first one is compared with the others.

    Args:
        packages: The packages.
        texts: Raw texts to run.
        constraints: Versions to install (the tested lock).
        tell: Called with what is done next.

    Returns:
        What was measured, and what failed, a line each.
    """
    measured: list[dict[str, Any]] = []
    failures: list[str] = []
    answers: list[list[probe.Entities]] = []
    with tempfile.TemporaryDirectory() as temporary:
        environments = []
        for package in packages:
            tell(f"Installing {package.name} into a new environment; this takes a minute")
            environment = Environment(Path(temporary) / package.name, constraints=constraints)
            environments.append(environment)
            try:
                environment.install(package.wheel)
            except Ner11Error as e:
                failures.append(str(e))
                continue
            size = environment.installed_bytes()
            tell(f"Running {package.name}")
            found = environment.probe(
                [package.name], texts=list(texts), odd_texts=list(ODD_TEXTS), torch_free=_is_torch_free(package.model)
            )
            lines = found["failures"]
            if found.get("answers") is not None and found.get("odd_answers") is not None:
                lines += compare_with_model(found, package.model, texts=texts)
            failures += [f"{package.wheel}: {line}" for line in lines]
            if not lines:
                answers.append(found["answers"])
            measured.append(
                {
                    "name": package.name,
                    "version": package.version,
                    "sha256": hash_file(package.wheel),
                    "texts": len(texts),
                    "odd_texts": len(ODD_TEXTS),
                    "entities": sum(map(len, found.get("answers") or ())),
                    "load_seconds": found.get("load_seconds"),
                    "installed_bytes": size,
                }
            )
        if len(packages) > 1 and not failures:
            tell("Installing them beside each other")
            failures += _check_beside(packages, environments[0])
    result: dict[str, Any] = {"packages": measured}
    if len(packages) > 1 and len(answers) == len(packages):
        result["agreement"] = [
            {"packages": [packages[0].name, other.name], **measure_agreement(answers[0], found)}
            for other, found in zip(packages[1:], answers[1:], strict=True)
        ]
    return result, failures


def _is_torch_free(model: Path) -> bool:
    return (model / "ner" / "model.onnx").is_file()


def _check_beside(packages: Sequence[Package], environment: Environment) -> list[str]:
    """Install all packages where the first one is, and load them in both orders."""
    for package in packages[1:]:
        try:
            environment.install(package.wheel)
        except Ner11Error as e:
            return [str(e)]
    names = [package.name for package in packages]
    failures = []
    for order in (names, names[::-1]):
        failures += [f"{' and then '.join(order)} in one process: {line}" for line in environment.probe(order)["failures"]]
    return failures


def compare_with_model(found: Mapping[str, Any], model: Path, *, texts: Sequence[str]) -> list[str]:
    """Compare what an installed package found with what its pipeline finds.

    Args:
        found: As `Environment.probe` gives it.
        model: Folder of the pipeline.
        texts: The texts that were run.

    Returns:
        What differs, a clause each.
    """
    nlp = spacy.load(model)
    expected = probe.read_entities(nlp.pipe(texts)), probe.run_odd_texts(nlp, ODD_TEXTS)
    different = []
    for what, inputs, wished, answers in (
        ("text", texts, expected[0], found["answers"]),
        ("odd text", ODD_TEXTS, expected[1], found["odd_answers"]),
    ):
        golden = [{"text": text, "entities": entities} for text, entities in zip(inputs, wished, strict=True)]
        different += compare_answers(answers, golden, tolerance=probe.SAME, what=what)
    more = [f"{len(different) - _SHOWN} differences more from {model}"] if len(different) > _SHOWN else []
    return [f"not what {model} says: {line}" for line in different[:_SHOWN]] + more


def measure_agreement(first: Sequence[probe.Entities], second: Sequence[probe.Entities]) -> dict[str, Any]:
    """Compare what two packages found in the same texts.

    Returns:
        How many entities each found; the `share` of all that both found; the largest difference of their confidences.
    """
    pairs = [
        ({tuple(e[:3]): e[3] for e in one}, {tuple(e[:3]): e[3] for e in other}) for one, other in zip(first, second, strict=True)
    ]
    common = [(a[key], b[key]) for a, b in pairs for key in a.keys() & b.keys()]
    union = sum(len(a.keys() | b.keys()) for a, b in pairs)
    gaps = [abs(a - b) for a, b in common if a is not None and b is not None]
    return {
        "entities": [sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)],
        "share": len(common) / union if union else 1.0,
        "confidence": max(gaps, default=None),
    }
