"""What can be known of the Docker files without an engine: they are linted, and what they name is there."""

import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens.underscore import Underscore

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
FILES = sorted(path for path in DOCKER.glob("Dockerfile.*") if path.suffix != ".dockerignore")
HADOLINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
COMPOSE = srsly.read_yaml(DOCKER / "compose.yml")

each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def instructions(path: Path) -> list[tuple[str, str]]:
    """Give the instructions of a Dockerfile, lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def copied(path: Path) -> list[str]:
    """Give what a Dockerfile copies from the project."""
    return [source for name, rest in instructions(path) if name == "COPY" for source in rest.split()[:-1]]


def fits(name: str, rule: str) -> bool:
    """Tell whether a rule of a .dockerignore means a file, or a folder that it is in."""
    parts, rules = name.split("/"), rule.split("/")
    if rules[0] == "**":
        return any(fnmatch(part, rules[1]) for part in parts)
    return len(parts) >= len(rules) and all(map(fnmatch, parts, rules))


def is_ignored(name: str, path: Path) -> bool:
    """Tell whether a file stays out of the build: the last rule that fits decides."""
    rules = path.with_name(f"{path.name}.dockerignore").read_text(encoding="utf8").splitlines()
    fitting = [rule for rule in rules if rule and rule[0] != "#" and fits(name, rule.removeprefix("!"))]
    return bool(fitting) and not fitting[-1].startswith("!")


def test_there_is_an_image_for_training_serving_and_triton():
    assert [path.suffix for path in FILES] == [".serve", ".train", ".triton"]
    assert {service["build"]["dockerfile"] for service in COMPOSE["services"].values()} == {f"docker/{p.name}" for p in FILES}


@each
@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing(path):
    done = subprocess.run([HADOLINT, "--failure-threshold", "info", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@each
def test_what_is_copied_is_there_and_not_ignored(path):
    for source in copied(path):
        name = source.replace("${PACKAGE}", "en_ner11_cyber_onnx").replace("${VERSION}", "1.0.0")
        assert "${" in source or (ROOT / source).exists(), source
        assert source == "." or not is_ignored(name, path), source


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("ner11/pipeline/tags.py", False),
        ("ner11/release/templates/card.md", False),
        ("scripts/train.py", False),
        ("configs/domains/cyber/schema.yml", False),
        ("project.yml", False),
        ("assets/cyber/gold/test/chat.txt", False),
        ("ner11/__pycache__/tags.cpython-311.pyc", True),
        ("assets/datasets/cyner/train.txt", True),
        ("assets/encoders/minilm/model.safetensors", True),
        ("training/model-best/config.cfg", True),
        ("packages/en_ner11_cyber-1.0.0-py3-none-any.whl", True),
        (".venv/bin/python", True),
        (".git/config", True),
    ],
)
def test_training_has_the_project_and_no_data(name, ignored):
    assert is_ignored(name, DOCKER / "Dockerfile.train") == ignored


@each
def test_every_package_has_the_version_of_the_lock(path):
    installs = [part for name, rest in instructions(path) if name == "RUN" for part in rest.split("&&") if "pip install" in part]
    assert installs and all(re.search(r"--constraint \S*requirements\.txt", part) for part in installs)


@each
def test_the_base_has_a_tag_and_the_user_no_rights(path):
    (base,) = (rest for name, rest in instructions(path) if name == "FROM")
    assert re.search(r":[^$]*[\d$]", base) and "latest" not in base
    users = [rest for name, rest in instructions(path) if name == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert [name for name, _ in instructions(path)].index("USER") < min(
        i for i, (name, _) in enumerate(instructions(path)) if name in ("CMD", "ENTRYPOINT")
    )


def test_arguments_and_folders_of_compose_are_those_of_the_files():
    for service in COMPOSE["services"].values():
        build = service["build"]
        declared = {rest.split("=")[0] for name, rest in instructions(ROOT / build["dockerfile"]) if name == "ARG"}
        assert (DOCKER / build["context"]).resolve() == ROOT and set(build.get("args", {})) <= declared
    directories = srsly.read_yaml(ROOT / "project.yml")["directories"]
    mounted = {
        volume.split(":")[0].removeprefix("../"): volume.split(":")[1] for volume in COMPOSE["services"]["train"]["volumes"]
    }
    assert mounted == {name: f"/ner11/{name}" for name in directories}, "what a run writes outlives the container"


def test_the_version_that_is_served_by_default_is_that_of_the_project():
    version = srsly.read_yaml(ROOT / "project.yml")["vars"]["version"]
    assert COMPOSE["services"]["serve"]["build"]["args"]["VERSION"] == f"${{VERSION:-{version}}}"


def test_what_the_server_installs_is_what_the_package_requires():
    from ner11.release.package import REQUIREMENTS

    (run,) = (rest for name, rest in instructions(DOCKER / "Dockerfile.triton") if name == "RUN")
    named = run.split("&&")[0].split("requirements.txt")[1].split()
    assert set(named) == {"spacy", *REQUIREMENTS}


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], [["Łódź"], [], []]), (["--check"], [[]])], ids=["standard input", "health check"]
)
def test_entities_come_out_a_line_of_json_a_text(arguments, expected, tmp_path, monkeypatch, capsys):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PLACE", "pattern": "Łódź"}])
    nlp.to_disk(tmp_path)
    monkeypatch.setenv("NER11_PACKAGE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["entities.py", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO("🙂 in Łódź\n\nnothing\n"))
    monkeypatch.setattr(Underscore, "span_extensions", {**Underscore.span_extensions, "confidence": (0.5, None, None, None)})
    runpy.run_path(str(DOCKER / "entities.py"), run_name="__main__")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[row["text"] for row in line] for line in rows] == expected
    if rows[0]:
        assert rows[0] == [{"start": 5, "end": 9, "label": "PLACE", "text": "Łódź", "confidence": 0.5}]
