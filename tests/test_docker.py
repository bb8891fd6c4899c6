"""What can be known of the Docker files without an engine: they are linted, and what they name is there."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import srsly

from ner11.errors import Ner11Error
from ner11.serving.auth import check_exposure
from ner11.serving.settings import Settings, load_settings

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


IMPORTED = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
import common, onnxruntime, spacy, tokenizers
before = {name.split(".")[0] for name in sys.modules}
import ner11.serving.run, serve
print(*{name.split(".")[0] for name in sys.modules} - before)
"""
BROUGHT = {"anyio", "dotenv", "opentelemetry", "starlette"}
"""What FastAPI and pydantic-settings bring, or use where it is there."""


def test_the_api_has_what_it_imports_and_no_torch():
    (run,) = (rest for name, rest in instructions(DOCKER / "Dockerfile.serve") if name == "RUN")
    installed = run.split("&&")[0].split('whl"')[1].split()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split()) - sys.stdlib_module_names - {"ner11", "serve"} - BROUGHT
    named = {"pythonjsonlogger": "python-json-logger"}
    assert {named.get(name, name.replace("_", "-")) for name in imported if not name.startswith("_")} == set(installed)


def test_the_api_gets_a_token_and_without_one_it_does_not_start(monkeypatch):
    monkeypatch.setenv("NER11_TOKEN", "")
    service = COMPOSE["services"]["serve"]
    assert service["environment"] == {"NER11_TOKEN": "${NER11_TOKEN:-}"}, "an error here would also stop the other services"
    host = re.search(r"NER11_HOST=(\S+)", (DOCKER / "Dockerfile.serve").read_text(encoding="utf8"))[1]
    with pytest.raises(Ner11Error, match="no token or password is set"):
        check_exposure(load_settings({"host": host}))


ANNOTATE = srsly.read_yaml(DOCKER / "compose.annotate.yml")["services"]


def test_the_loop_with_annotators_has_its_three_services_and_only_known_settings():
    assert sorted(ANNOTATE) == ["backend", "label-studio", "mlflow"]
    names = {name for name in ANNOTATE["backend"]["environment"] if name.startswith("NER11_")}
    assert names <= {f"NER11_{name.upper()}" for name in Settings.model_fields}
    # Without either, Label Studio takes the backend beside it for an attack.
    for name in ("ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED"):
        assert ANNOTATE["label-studio"]["environment"][name] == "false"


@pytest.mark.parametrize("name", ANNOTATE)
def test_a_service_of_the_loop_is_pinned_and_reached_from_this_machine_only(name):
    service = ANNOTATE[name]
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
