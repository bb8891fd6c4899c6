import pytest
import srsly
import triton_server
from typer.testing import CliRunner

from ner11.files import hash_file
from ner11.release.triton import TritonModel
from tests.release.triton import fake
from tests.release.triton.toys import NAME, make_wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    small = {"words": {"Turla": "THREAT"}, "labels": ["THREAT"], "scheme": "IO"}
    return {
        "first": make_wheel(folder, version="1.0.0"),
        "second": make_wheel(folder, version="1.1.0", words={"Mimikatz": "TOOL"}),
        "other": make_wheel(folder, version="9.0.0", **small),
    }


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a subcommand in an empty project, as its command line would."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(triton_server.app, [*map(str, arguments)])

    return run


@pytest.fixture
def url(tmp_path):
    with fake.served(fake.FakeTriton(tmp_path / "packages" / "triton")) as address:
        yield address


def test_write_takes_the_package_that_was_built_last(run, wheels, tmp_path):
    row = {"version": "1.0.0", "model": "training/onnx/fp32", "sdist": "none", "wheel": str(wheels["first"])}
    rows = [{**row, "name": name, "sha256": hash_file(wheels["first"])} for name in (NAME, f"{NAME}_onnx")]
    (tmp_path / "training").mkdir()
    srsly.write_json(tmp_path / "training" / "package.json", {"packages": rows[:1]})
    assert "no package without torch was built" in run("write").stderr
    srsly.write_json(tmp_path / "training" / "package.json", {"packages": rows})
    done = run("write")
    assert done.exit_code == 0, done.output
    assert f"Wrote packages/triton/{NAME}/1" in done.stdout
    assert f"Unchanged: packages/triton/{NAME}/1" in run("write").stdout


def test_deploy_verify_and_rollback(run, wheels, url):
    for name in ("first", "second"):
        run("write", "--wheel", wheels[name])
        done = run("deploy", url, "--domain", "toy")
        assert done.exit_code == 0, done.output
    assert f"serves {NAME} version 2, which is {NAME}_onnx 1.1.0 (before: version 1)" in done.stdout
    assert "keeps the contract" in run("verify", url, "--domain", "toy").stdout
    assert f"serves {NAME} version 1" in run("rollback", url, "--model", NAME).stdout
    assert run("verify", url, "--domain", "toy", "--quiet").output == ""


def test_verify_names_a_wrong_model_and_exits_with_1(run, wheels, url, tmp_path):
    run("write", "--wheel", wheels["other"])
    run("deploy", url, "--domain", "toy")
    run("write", "--wheel", wheels["first"], "--repository", tmp_path / "ours")
    done = run("verify", url, "--domain", "toy", "--repository", tmp_path / "ours")
    assert done.exit_code == 1
    assert "the server gives 2 logits a word piece, the contract says 9" in done.stdout
    assert f"does not serve what the contract of {NAME} version 1 says" in done.stderr


def test_a_refused_version_is_one_line(run, wheels, url, tmp_path):
    run("write", "--wheel", wheels["first"])
    run("deploy", url, "--domain", "toy")
    run("write", "--wheel", wheels["second"])
    (TritonModel(tmp_path / "packages" / "triton" / NAME).version(2) / "model.py").write_text("1 / 0\n")
    done = run("deploy", url, "--domain", "toy")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "version 2: refused, version 1 is served as before" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("write",), "no package was built"),
        (("write", "--wheel", "none.whl"), "no such wheel"),
        (("verify", "http://127.0.0.1:1"), "no such model; there are: none"),
        (("deploy", "http://127.0.0.1:1"), "no version of this model"),
        (("deploy", "http://127.0.0.1:1", "--version", "0"), "no such version; there are: none"),
        (("rollback", "http://127.0.0.1:1"), "no such model"),
    ],
)
def test_mistakes_are_one_line(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_server_that_is_down_is_one_line(run, wheels):
    run("write", "--wheel", wheels["first"])
    for command in ("verify", "deploy"):
        done = run(command, "http://127.0.0.1:1", "--domain", "toy")
        assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
        assert "cannot be reached" in done.stderr
