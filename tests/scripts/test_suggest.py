import pytest

from ner11.datasets import load_datasets

ROWS = "Gnawer\tB-Actor\nran\tO\nZorbit\tB-Malware\n\n"


@pytest.fixture
def folder(project):
    folder = project / "assets/datasets/fresh"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (folder / f"{split}.txt").write_text(ROWS * 12)
    return folder


def test_the_entry_can_be_pasted_and_converted(run, project, folder):
    done = run("suggest", "assets/datasets/fresh")
    assert done.exit_code == 0 and not done.stderr
    with (project / "configs/domains/cyber/datasets.yml").open("a", encoding="utf8") as file:
        file.write("\n" + done.stdout)
    *_, dataset = load_datasets(project / "configs/domains/cyber/datasets.yml")
    assert (dataset.name, dataset.path.as_posix(), dataset.labels["Malware"]) == ("fresh", "assets/datasets/fresh", "MALWARE")
    converted = run("convert", "--datasets", "fresh")
    assert converted.exit_code == 0, converted.output


def test_a_name_can_be_given(run, folder):
    assert "- name: mine\n" in run("suggest", "assets/datasets/fresh/train.txt", "--name", "mine").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "no path"),
        (("assets/datasets/gone",), "no such file or folder"),
        (("assets/datasets/fresh", "--name", "gold"), "'gold' is taken"),
        (("assets/datasets/fresh", "--domain", "nope"), "no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, folder, arguments, message):
    done = run("suggest", *arguments)
    assert done.exit_code == 1 and not done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert message in line
