import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import spacy
import srsly

from ner11.errors import Ner11Error
from ner11.release import check, probe
from ner11.release.check import ODD_TEXTS, Environment, check_packages, compare_with_model, measure_agreement
from ner11.release.contract import FILE, make_contract
from ner11.release.package import Package

TEXTS = ["aa saw qq qq and zz", "zz and qq", "nothing"]
CONSTRAINTS = Path(__file__).parents[2] / "requirements.txt"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that is the one of the tests, to which nothing needs to be installed."""
    monkeypatch.setattr("venv.create", lambda *_, **__: None)
    here = Environment(tmp_path, constraints=CONSTRAINTS)
    here.python = Path(sys.executable)
    return here


def pretend(monkeypatch, tmp_path, code):
    """Let other code run in the place of the probe."""
    path = tmp_path / "pretended.py"
    path.write_text(code)
    monkeypatch.setattr(probe, "__file__", str(path))


def test_a_package_that_cannot_be_loaded_is_one_line(environment):
    found = environment.probe(["no_such_package"], texts=[], odd_texts=[], torch_free=False)
    assert found["failures"][0] == "the library ner11 is there too"
    assert found["failures"][1].startswith("loading: OSError: [E050] Can't find model 'no_such_package'")
    assert not any("\n" in line for line in found["failures"])


def test_a_hang_has_a_name(environment, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "import time\nprint('two processes', flush=True)\ntime.sleep(600)")
    assert environment.probe(["toy"], seconds=2) == {"failures": ["two processes: hangs (no end after 2 s)"]}


def test_an_interrupt_ends_what_runs(environment, monkeypatch, tmp_path):
    started = []
    communicate = subprocess.Popen.communicate

    def interrupt(process, timeout=None):
        if timeout is None:
            return communicate(process)
        started.append(process)
        raise KeyboardInterrupt

    pretend(monkeypatch, tmp_path, "import time\ntime.sleep(600)")
    monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        environment.probe(["toy"])
    assert started[0].returncode == -9


def test_a_crash_has_a_name(environment, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "print('four threads', flush=True)\nraise SystemExit('boom')")
    assert environment.probe(["toy"]) == {"failures": ["four threads: boom"]}


def test_a_wheel_that_cannot_be_installed_is_one_line(environment, tmp_path):
    wheel = tmp_path / "toy-1.0.0-py3-none-any.whl"
    wheel.write_text("no zip")
    with pytest.raises(Ner11Error, match="cannot be installed") as error:
        environment.install(wheel)
    assert str(error.value).startswith(str(wheel)) and "\n" not in str(error.value)


def test_one_that_cannot_be_installed_does_not_keep_others_from_being_checked(pipelines, tmp_path, monkeypatch):
    monkeypatch.setattr("venv.create", lambda folder, **_: folder.mkdir())

    def install(self, wheel):
        if wheel.name.startswith("bad"):
            raise Ner11Error("cannot be installed", where=wheel.name)

    monkeypatch.setattr(Environment, "install", install)
    monkeypatch.setattr(Environment, "probe", lambda *_, **__: {"failures": ["loading: OSError"]})
    monkeypatch.chdir(tmp_path)
    Path("good.whl").touch()
    packages = [Package(name, "1.0.0", pipelines["fp32"], Path(f"{name}.whl"), Path()) for name in ("bad", "good")]
    result, failures = check_packages(packages, texts=TEXTS, constraints=CONSTRAINTS, tell=lambda _: None)
    assert failures == ["bad.whl: cannot be installed.", "good.whl: loading: OSError"]
    assert [row["name"] for row in result["packages"]] == ["good"] and "agreement" not in result


@pytest.fixture
def package(pipelines, tmp_path, monkeypatch):
    """A folder from which the int8 pipeline is imported as the package `en_toy`, and its contract."""
    name = "en_toy"
    inside = tmp_path / name / f"{name}-1.0.0"
    nlp = spacy.load(pipelines["int8"])
    nlp.meta.update(name="toy", version="1.0.0")
    inside.parent.mkdir()
    nlp.to_disk(inside)
    (inside.parent / "meta.json").write_bytes((inside / "meta.json").read_bytes())
    load = "from spacy.util import load_model_from_init_py\n\ndef load(**o):\n    return load_model_from_init_py(__file__, **o)\n"
    (inside.parent / "__init__.py").write_text(load)
    contract = make_contract(nlp, name=name, version="1.0.0", root=inside, golden=TEXTS)
    srsly.write_json(inside / FILE, contract)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return inside


@pytest.fixture
def run_probe(package, monkeypatch):
    """Runs the probe on the package, in this process; two processes at once are for the real environment."""
    monkeypatch.setattr(spacy, "load", spacy.util.load_model_from_package)  # it is on the path, but not installed
    monkeypatch.setattr(spacy, "info", lambda *_, **__: {"lang": "en", "name": "toy", "version": "1.0.0"})

    def run(**request):
        tried = probe.Probe(str(Path(check.__file__).with_name("contract.py")))
        found = probe.check(
            tried, {"packages": ["en_toy"], "texts": TEXTS, "odd_texts": ["", "\ud800"], "torch_free": False} | request
        )
        tried.load("en_toy")
        return found, tried.failures

    return run


def test_a_sound_package_runs_in_every_way(run_probe, capsys):
    found, failures = run_probe()
    assert failures == []
    assert [[entity[2] for entity in entities] for entities in found["answers"]] == [
        ["LOCATION", "PERSON"],
        ["PERSON", "LOCATION"],
        [],
    ]
    assert found["odd_answers"] == [[], [[0, 1, "UnicodeEncodeError", None]]]
    ways = capsys.readouterr().out.splitlines()
    assert {"two processes (n_process=2)", "four threads", "after pickling", "its contract"} <= {*ways}


def test_torch_beside_a_package_that_does_without_is_told(run_probe):
    assert {"torch is there", "transformers is there"} <= {*run_probe(torch_free=True)[1]}


def test_a_broken_contract_is_told(run_probe, package):
    contract = json.loads((package / FILE).read_text())
    contract["labels"].reverse()
    srsly.write_json(package / FILE, contract)
    assert "its contract: label 1 is LOCATION, the contract says PERSON" in run_probe()[1]


def test_what_fails_does_not_keep_the_rest_from_being_checked(run_probe, monkeypatch):
    monkeypatch.setattr("pickle.dumps", lambda _: 1 / 0)
    assert run_probe()[1] == ["after pickling: ZeroDivisionError: division by zero"]


def test_what_a_package_finds_is_that_of_its_pipeline(pipelines, monkeypatch):
    monkeypatch.setattr(check, "ODD_TEXTS", ("", "\ud800", "🙂"))
    nlp = spacy.load(pipelines["fp32"])
    found = {
        "answers": probe.read_entities(nlp.pipe(TEXTS)),
        "odd_answers": probe.run_odd_texts(nlp, check.ODD_TEXTS),
    }
    assert compare_with_model(found, pipelines["fp32"], texts=TEXTS) == []
    found["answers"][0].pop()
    found["odd_answers"][1] = []
    lines = compare_with_model(found, pipelines["fp32"], texts=TEXTS)
    assert lines[0].endswith("says: text 1: PERSON 'zz' (17 to 19) is not found")
    assert lines[1].endswith("says: odd text 2: UnicodeEncodeError '\ud800' (0 to 1) is not found")


def test_agreement_is_the_share_that_both_find():
    first = [[[0, 5, "ACTOR", 0.9], [6, 8, "TOOL", 0.6]], []]
    second = [[[0, 5, "ACTOR", 0.8]], [[0, 1, "TOOL", 0.7]]]
    found = measure_agreement(first, second)
    assert (found["entities"], found["share"]) == ([2, 2], pytest.approx(1 / 3))
    assert found["confidence"] == pytest.approx(0.1)
    assert measure_agreement([[]], [[]]) == {"entities": [0, 0], "share": 1.0, "confidence": None}


def test_odd_texts_are_odd():
    assert {"", "🙂"} < {*ODD_TEXTS}
    assert max(map(len, ODD_TEXTS)) == 1_000_000
    assert any("\x00" in text for text in ODD_TEXTS) and any("\ud800" in text for text in ODD_TEXTS)
    assert any(len(text) == 10_000 and " " not in text for text in ODD_TEXTS)


@pytest.mark.slow
def test_packages_work_in_environments_of_their_own(pipelines, tmp_path):
    from tests.release.test_package import build

    packages = [build(kind, pipelines[kind], tmp_path) for kind in ("torch", "int8")]
    with zipfile.ZipFile(packages[0].wheel) as wheel:
        assert not [name for name in wheel.namelist() if "onnx" in name]
    result, failures = check_packages(packages, texts=TEXTS * 5, constraints=CONSTRAINTS, tell=lambda _: None)
    assert failures == []
    torch, onnx = result["packages"]
    assert onnx["installed_bytes"] < torch["installed_bytes"] / 2
    assert result["agreement"][0]["share"] > 0.9
