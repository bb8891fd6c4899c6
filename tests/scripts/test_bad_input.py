"""What users get wrong: one clear line, a non-zero exit, the last good output kept."""

import ast
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.scripts.conftest import ROOT


def the_line(done):
    """Give the one line of a failure, and see that it was not a crash."""
    assert done.exit_code not in (0, None), done.output
    assert isinstance(done.exception, SystemExit), done.exception
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.fixture
def broken_gold(project):
    return project / "assets/cyber/gold/train/0.md"


def test_missing_data_set_is_named_and_skipped(run):
    done = run("convert", "--datasets", "gold,cyner")
    assert done.exit_code == 0
    assert "Skipped: data set not there: cyner: expected dataset/mitre/train.txt" in done.stdout


def test_missing_data_set_is_an_error_if_strict(run):
    assert "data set not there: cyner: expected" in the_line(run("convert", "--datasets", "gold,cyner", "--strict"))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ("cyner", "none of the chosen data sets is there (cyner: expected"),
        ("golld", "unknown data set 'golld'"),
        ("", "none chosen"),
    ],
)
def test_no_usable_data_set(run, datasets, message):
    assert message in the_line(run("convert", "--datasets", datasets))


def test_broken_markup_names_file_line_and_column(run, broken_gold):
    broken_gold.write_text("Fine.\nThen [Sandworm(THREAT_ACTOR) came.\n", encoding="utf8")
    for script in ("convert", "check_gold"):
        assert "assets/cyber/gold/train/0.md:2:6: a '[' without its ']'" in the_line(run(script))


def test_wrong_encoding_names_file_and_line(run, broken_gold):
    broken_gold.write_bytes(b"Fine.\nZ\xfcrich\n")
    assert "assets/cyber/gold/train/0.md:2: byte 0xfc is not UTF-8" in the_line(run("convert"))


def test_unknown_label_names_place_and_keeps_the_last_corpus(run, project, broken_gold):
    assert run("convert").exit_code == 0
    before = sorted(path.read_bytes() for path in (project / "corpus/converted").rglob("*.spacy"))
    broken_gold.write_text("One.\n\nThen [Sandworm](THREAT_AKTOR) came.\n", encoding="utf8")
    line = the_line(run("convert"))
    assert "THREAT_AKTOR (1 spans, first in assets/cyber/gold/train/0.md:3)" in line
    assert sorted(path.read_bytes() for path in (project / "corpus/converted").rglob("*.spacy")) == before


def test_empty_split(run, project):
    for file in (project / "assets/cyber/gold/dev").iterdir():
        file.unlink()
    assert "assets/cyber/gold/dev: no *.md files here" in the_line(run("convert"))


@pytest.mark.parametrize("script", ["merge", "configure", "train", "evaluate", "gate", "package", "check_package"])
def test_a_step_without_the_one_before_it_names_that(run, script):
    assert "Run 'spacy project run" in the_line(run(script))


def test_encoder_folder_without_weights(run, project):
    (project / "assets/encoders/mine").mkdir(parents=True)
    line = the_line(run("encoder", "--encoder", "assets/encoders/mine"))
    assert "assets/encoders/mine: no weights here" in line and "huggingface-cli download" in line


def test_encoder_that_is_nowhere(run):
    line = the_line(run("encoder", "--encoder", "nobody/nothing"))
    assert line.startswith("✘ nobody/nothing: cannot be loaded as an encoder") and "--vars.encoder minilm" in line


def test_en_core_web_trf_is_never_fetched_by_its_bare_name(run):
    assert "requirements-en_core_web_trf.txt" in the_line(run("encoder", "--encoder", "en_core_web_trf"))


@pytest.mark.parametrize(("gpu_id", "message"), [("0", "torch sees no GPU here"), ("two", "'two' is no device")])
def test_gpu_that_is_not_there(run, gpu_id, message):
    assert message in the_line(run("encoder", "--gpu-id", gpu_id))


def test_damaged_state_of_an_earlier_step(run, project):
    (project / "assets/encoders").mkdir()
    (project / "assets/encoders/selected.json").write_text("{")
    for split in ("train", "dev"):
        (project / "corpus/merged" / split).mkdir(parents=True)
    assert "assets/encoders/selected.json: damaged" in the_line(run("configure"))


@pytest.mark.parametrize("version", ["1.1", "one", "1.2.3/4"])
def test_a_version_has_three_parts(run, version):
    assert f"version: '{version}' is no version of three parts" in the_line(run("package", "--version", version))


def test_unknown_domain(run):
    assert "configs/domains/cybre/schema.yml: no such file" in the_line(run("convert", "--domain", "cybre"))


def test_full_disk_keeps_the_last_corpus(run, project):
    assert run("convert").exit_code == 0
    before = sorted(path.read_bytes() for path in (project / "corpus/converted").rglob("*.spacy"))
    # A file size limit of zero stands in for a full disk: every write fails.
    code = (
        "import resource, signal, runpy, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[1]); "
        "sys.argv.pop(1); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "scripts/convert.py"), str(ROOT / "scripts")],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "The last good output is untouched" in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.read_bytes() for path in (project / "corpus/converted").rglob("*.spacy")) == before


def die(*_args, **_settings):
    os._exit(9)


def corpus(project):
    return {path: path.read_bytes() for path in sorted((project / "corpus").rglob("*")) if path.is_file()}


def test_a_worker_that_dies_is_one_line_and_keeps_the_last_corpus(run, project, monkeypatch):
    assert run("convert").exit_code == run("merge").exit_code == 0
    before = corpus(project)
    monkeypatch.setattr("ner11.corpus.convert.tag_text", die)
    assert "assets/cyber/gold/train/0.md:1: a worker process died between here and" in the_line(run("convert"))
    monkeypatch.setattr("ner11.corpus.moving._gather", die)
    assert "a worker process died" in the_line(run("merge"))
    assert corpus(project) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gold/train/0000.spacy", b"junk", "corpus/converted/gold/train/0000.spacy: damaged corpus file"),
        ("gold/train/0000.npz", b"junk", "corpus/converted/gold/train/0000.npz: damaged index"),
        ("ledger.json", b"{", "corpus/converted/ledger.json: damaged"),
        ("ledger.json", b"{}", "ledger: damaged, or of another version"),
    ],
)
def test_a_damaged_file_between_two_steps_is_one_line_and_keeps_the_last_corpus(run, project, name, content, message):
    assert run("convert").exit_code == run("merge").exit_code == 0
    (project / "corpus/converted" / name).write_bytes(content)
    before = corpus(project)
    assert message in the_line(run("merge"))
    assert corpus(project) == before


COMMANDS = sorted(path.name for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text(encoding="utf8"))


@pytest.mark.parametrize("script", COMMANDS)
def test_an_interrupt_while_libraries_load_is_one_line_too(script):
    imports = [
        node for node in ast.parse((ROOT / "scripts" / script).read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert isinstance(imports[0], ast.ImportFrom) and imports[0].module == "common"


@pytest.mark.parametrize("everyone", [False, True], ids=["one process", "as from the keyboard"])
def test_interrupt_is_one_line(project, everyone):
    (project / "assets/cyber/gold/train/0.md").write_text("word " * 800_000, encoding="utf8")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/convert.py")],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (project / "corpus").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)  # until the workers are there
    if everyone:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    (line,) = stderr.strip().splitlines()
    assert "Interrupted. The last good output is untouched" in line
    assert not (project / "corpus/converted").exists()
