import json
import subprocess
import sys
import zipfile

import pytest
import spacy
import srsly

from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.evaluation.gates import Gate
from ner11.files import hash_folder
from ner11.release.contract import verify_contract
from ner11.release.package import Package, build_meta, build_package, check_version, publish, staging
from ner11.release.publication import update_checksums

DATASET = Dataset(
    name="gold",
    path="x",
    url="https://example.org/gold",
    license="MIT",
    format="inline",
    splits={"test": "x"},
    tier="gold",
    labels="schema",
)
DEFINITIONS = {label: f"A {label}." for label in ("TOOL", "PLACE", "DATE", "CVE", "OTHER")}
NAMES = {"torch": "ner11_toy", "int8": "ner11_toy_onnx"}
TEXT = "aa saw qq qq and zz"
LOAD = """
import sys
sys.path[:0] = sys.argv[2:]
for module in sys.argv[1].split(","):
    __import__(module)
import spacy
for name in ("en_ner11_toy", "en_ner11_toy_onnx"):
    print([(e.text, e.label_, e._.confidence > 0.5) for e in spacy.load(name)("aa saw qq qq and zz").ents])
"""
LIBRARY = ("ner11.pipeline.softmax_ner", "ner11.pipeline.transformer", "ner11.pipeline.onnx_ner")


@pytest.fixture
def make_meta(model, metrics_path, check):
    """Makes the meta data of a package whose TOOL must reach an F1."""

    def make_meta(minimum, **more):
        return build_meta(
            model,
            name="ner11_toy",
            version="1.2.3",
            metrics=json.loads(metrics_path.read_text(encoding="utf8")),
            gates=check(Gate("gold", "TOOL", "f1", minimum)),
            datasets=[DATASET],
            definitions=DEFINITIONS,
            **more,
        )

    return make_meta


def test_a_package_says_from_which_confidence_on_its_labels_are_precise(make_meta, metrics_path):
    metrics = json.loads(metrics_path.read_text(encoding="utf8"))
    for chosen, expected in (({"wished": 0.9, "labels": {"TOOL": {"threshold": 0.7}}}, {"TOOL": 0.7}), (None, {})):
        metrics_path.write_text(json.dumps({**metrics, "thresholds": chosen}), encoding="utf8")
        assert make_meta(0.5)["ner11"]["thresholds"] == expected


def test_figures_come_from_the_metrics(make_meta):
    meta = make_meta(0.5)
    assert meta["performance"]["ents_f"] == pytest.approx(2 * 35 / (2 * 35 + 8 + 26))
    assert meta["performance"]["ents_per_type"]["TOOL"]["p"] == 0.75
    assert meta["ner11"]["test_sets"]["gold"]["support"] == 61
    assert meta["sources"] == [{"name": "gold", "license": "MIT", "url": "https://example.org/gold"}]


def test_only_labels_of_the_model_are_in_its_scheme(make_meta):
    assert sorted(make_meta(0.5)["ner11"]["label_scheme"]) == ["CVE", "DATE", "PLACE", "TOOL"]


def test_passed_gates_are_said_so(make_meta):
    meta = make_meta(0.5)
    assert (meta["name"], meta["description"]) == ("ner11_toy", "Named entities of the domain toy: 4 labels.")
    assert meta["ner11"]["gates_passed"] is True
    assert meta["ner11"]["gates"][0]["status"] == "passed"


def test_failed_gates_are_in_name_and_description(make_meta):
    meta = make_meta(0.9)
    assert meta["name"] == "ner11_toy_failed_gates"
    assert meta["description"].endswith("It did not pass its release gates.")
    assert meta["ner11"]["gates_passed"] is False
    assert meta["ner11"]["verdict"]["reasons"] == ["F1 of TOOL on gold is 81.8; 90.0 is needed"]


def test_an_export_is_said_so(make_meta):
    assert make_meta(0.5)["ner11"]["export"] is None
    assert make_meta(0.5, export={"of": "en_ner11_toy"})["ner11"]["export"] == {"of": "en_ner11_toy"}


@pytest.mark.parametrize("version", ["1.0", "1.2.3.4", "1.2.3-rc1", "01.2.3", "v1.2.3", "next", ""])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(Ner11Error, match="is no version of three parts"):
        check_version(version)


def build(kind, folder, out):
    meta = {**srsly.read_json(folder / "meta.json"), "name": NAMES[kind], "version": "1.2.3", "license": "Apache-2.0"}
    meta["ner11"] = {"encoder": "toy"}
    return build_package(folder, out, meta=meta, card="# The card\n", datasets=[DATASET], golden=[TEXT, ""])


@pytest.fixture(scope="module")
def built(pipelines, tmp_path_factory):
    """The packages of the trained pipeline and of its int8 export."""
    out = tmp_path_factory.mktemp("packages")
    return {kind: build(kind, pipelines[kind], out) for kind in NAMES}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A folder with what is in both wheels."""
    folder = tmp_path_factory.mktemp("site")
    for package in built.values():
        with zipfile.ZipFile(package.wheel) as wheel:
            wheel.extractall(folder)
    return folder


@pytest.mark.parametrize("kind", ["torch", "int8"])
def test_a_wheel_holds_its_card_licenses_and_the_code_that_it_needs(built, installed, kind):
    package = built[kind]
    assert package.wheel.name == f"en_{NAMES[kind]}-1.2.3-py3-none-any.whl"
    assert package.sdist.name == f"en_{NAMES[kind]}-1.2.3.tar.gz"
    folder = installed / package.name
    assert (folder / f"{package.name}-1.2.3" / "README.md").read_text() == "# The card\n"
    licenses = (installed / f"{package.name}-1.2.3.dist-info" / "licenses" / "LICENSES_SOURCES").read_text()
    assert "- gold: MIT, https://example.org/gold" in licenses
    assert (folder / "chain.py").is_file() and not (folder / "batching.py").exists()


def test_the_requirements_are_what_the_code_imports(installed):
    found = {
        kind: {
            spacy.util.split_requirement(r)[0] for r in srsly.read_json(installed / f"en_{name}" / "meta.json")["requirements"]
        }
        for kind, name in NAMES.items()
    }
    assert found["torch"] == {"spacy", "spacy-transformers", "numpy", "tokenizers"}
    assert found["int8"] == {"spacy", "onnxruntime", "numpy", "tokenizers"}


@pytest.mark.parametrize("kind", ["torch", "int8"])
def test_a_wheel_keeps_the_contract_in_it(built, installed, kind):
    name = built[kind].name
    folder = installed / name / f"{name}-1.2.3"
    contract = srsly.read_json(folder / "contract.json")
    assert (contract["name"], contract["version"]) == (name, "1.2.3")
    assert [entity[2] for entity in contract["golden"][0]["entities"]] == ["LOCATION", "PERSON"]
    assert verify_contract(spacy.load(folder), contract) == []


@pytest.mark.parametrize(
    "order",
    [("en_ner11_toy", "en_ner11_toy_onnx", *LIBRARY), (*LIBRARY, "en_ner11_toy_onnx", "en_ner11_toy")],
    ids=["packages first", "library first"],
)
def test_packages_load_beside_each_other_and_the_library(installed, order):
    done = subprocess.run([sys.executable, "-c", LOAD, ",".join(order), installed], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str([("qq qq", "LOCATION", True), ("zz", "PERSON", True)])] * 2


def test_the_same_pipeline_gives_the_same_bytes(built, pipelines, tmp_path):
    again = build("torch", pipelines["torch"], tmp_path)
    assert again.wheel.read_bytes() == built["torch"].wheel.read_bytes()
    assert again.sdist.read_bytes() == built["torch"].sdist.read_bytes()


def test_a_pipeline_that_is_loaded_and_saved_again_is_the_same(pipelines, tmp_path, monkeypatch):
    hashes = set()
    source = pipelines["torch"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
        spacy.load(source).to_disk(tmp_path / name / "pipeline")
        source = tmp_path / name / "pipeline"
        hashes.add(hash_folder(source))
        assert str(tmp_path).encode() not in (source / "transformer" / "model").read_bytes()
    assert len(hashes) == 1


@pytest.fixture
def packages(tmp_path):
    """A folder of packages."""
    return tmp_path / "packages"


@pytest.fixture
def release(packages):
    """Publishes packages of which each has a content."""

    def release(version, **contents):
        with staging(packages) as folder:
            made = []
            for name, content in contents.items():
                wheel, sdist = folder / f"{name}-{version}-py3-none-any.whl", folder / f"{name}-{version}.tar.gz"
                for path in (wheel, sdist):
                    path.write_text(content)
                made.append(Package(name, version, folder, wheel, sdist))
            return publish(made, packages)

    return release


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_package_is_there_once_it_is_published(release, packages):
    (package,), new = release("1.0.0", toy="one")
    assert new and package.wheel == packages / "toy-1.0.0-py3-none-any.whl"
    assert contents(packages) == {"toy-1.0.0-py3-none-any.whl": "one", "toy-1.0.0.tar.gz": "one"}


def test_the_same_content_again_changes_nothing(release, packages):
    release("1.0.0", toy="one")
    before = {path: path.stat().st_mtime_ns for path in packages.iterdir()}
    assert release("1.0.0", toy="one")[1] is False
    assert {path: path.stat().st_mtime_ns for path in packages.iterdir()} == before


def test_a_version_is_never_overwritten_and_then_nothing_is_written(release, packages):
    release("1.0.0", toy="one")
    before = contents(packages)
    with pytest.raises(Ner11Error, match=r"toy 1\.0\.0 exists with other content.*--vars\.version") as error:
        release("1.0.0", other="new", toy="two")
    assert "\n" not in str(error.value) and contents(packages) == before


def test_a_released_version_is_never_built_otherwise_where_only_its_checksums_are(release, packages):
    (package,), _ = release("1.0.0", toy="one")
    update_checksums(packages, [package.wheel, package.sdist])
    for path in (package.wheel, package.sdist):
        path.unlink()  # as in a fresh clone
    with pytest.raises(Ner11Error, match=r"toy 1\.0\.0 exists with other content"):
        release("1.0.0", toy="two")
    assert [*contents(packages)] == ["SHA256SUMS"]
    assert release("1.0.0", toy="one")[1] is True


def test_a_development_version_is_replaced(release, packages):
    release("1.0.0.dev0", toy="one")
    assert release("1.0.0.dev0", toy="two")[1] is True
    assert set(contents(packages).values()) == {"two"}


def test_what_a_killed_run_left_is_deleted(packages):
    (packages / ".partial-1").mkdir(parents=True)
    with staging(packages) as folder:
        assert [path.name for path in packages.iterdir()] == [folder.name]
    assert list(packages.iterdir()) == []
