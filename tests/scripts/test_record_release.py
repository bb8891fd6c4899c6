"""What becomes a release, and what does not."""

import pytest
import srsly

from ner11.files import hash_file
from tests.scripts.test_bad_input import the_line

NAMES = ("en_ner11_toy", "en_ner11_toy_onnx")
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- Something.\n"


@pytest.fixture
def build(project):
    """Builds the packages of a version with these contents, as `package` leaves them, and checks them if wished."""

    def build(*contents, checked=True, version="1.2.3"):
        folder = project / "packages"
        folder.mkdir(exist_ok=True)
        rows = []
        for name, content in zip(NAMES, contents, strict=True):
            wheel, sdist = folder / f"{name}-{version}-py3-none-any.whl", folder / f"{name}-{version}.tar.gz"
            for path in (wheel, sdist):
                path.write_text(content)
            paths = {"wheel": f"packages/{wheel.name}", "sdist": f"packages/{sdist.name}", "model": "training/model-best"}
            rows.append({"name": name, "version": version, "sha256": hash_file(wheel), **paths})
        (folder / f"{NAMES[0]}-{version}.predictions.jsonl").write_text("{}\n")
        srsly.write_json(project / "training" / "package.json", {"packages": rows})
        if checked:
            kept = [{key: row[key] for key in ("name", "version", "sha256")} for row in rows]
            srsly.write_json(project / "training" / "check-package.json", {"packages": kept})

    (project / "training").mkdir()
    (project / "CHANGELOG.md").write_text(CHANGELOG)
    return build


def released(project):
    sums = project / "packages" / "SHA256SUMS"
    return sums.read_text() if sums.is_file() else "", (project / "CHANGELOG.md").read_text()


def test_a_release_leaves_checksums_a_record_and_its_entry_in_the_changelog(run, build, project):
    build("torch", "onnx")
    done = run("record_release")
    assert done.exit_code == 0, done.output
    sums, changelog = released(project)
    assert sums.count("1.2.3") == 5 and "## [1.2.3] - " in changelog
    assert srsly.read_json(project / "packages" / "releases.json")[NAMES[0]]["1.2.3"]
    assert run("record_release").exit_code == 0
    assert released(project) == (sums, changelog)


def test_packages_that_were_built_again_are_no_release_before_they_are_checked_again(run, build, project):
    build("torch", "onnx")
    build("torch", "another", checked=False)
    assert "about other packages than those that were built. Run 'spacy project" in the_line(run("record_release"))
    assert released(project) == ("", CHANGELOG)


def test_a_released_package_is_never_replaced_not_even_the_second(run, build, project):
    build("torch", "onnx")
    assert run("record_release").exit_code == 0
    before = released(project)
    build("torch", "another")
    assert "en_ner11_toy_onnx-1.2.3-py3-none-any.whl was released with other content" in the_line(run("record_release"))
    assert released(project) == before


def test_a_development_version_is_no_release(run, build):
    build("torch", "onnx", version="1.2.3.dev0")
    assert "1.2.3.dev0 is a version for development" in the_line(run("record_release"))
