from pathlib import Path

import pytest

from ner11.datasets import Dataset, load_datasets, select_datasets
from ner11.errors import Ner11Error

ROOT = Path(__file__).parents[1]


def entry(name="one", tier="expert", rest=""):
    return (
        f"  - {{name: {name}, path: sets/{name}, url: here, license: MIT, format: columns, "
        f"splits: {{train: train.txt, test: test.txt}}, tier: {tier}, labels: {{X: Y}}{rest}}}\n"
    )


def write(folder, *entries):
    path = folder / "datasets.yml"
    path.write_text("weights: {gold: 3.0, expert: 1.0, silver: 0.5}\ndatasets:\n" + "".join(entries), encoding="utf8")
    return path


def dataset(name):
    return Dataset(
        name=name,
        path=Path("sets") / name,
        url="here",
        license="MIT",
        format="columns",
        splits={"train": Path("train.txt"), "test": Path("test.txt")},
        tier="gold",
        labels="schema",
    )


def put(root, name, *files):
    for file in files:
        (root / "sets" / name).mkdir(parents=True, exist_ok=True)
        (root / "sets" / name / file).touch()


def names(datasets):
    return [one.name for one in datasets]


@pytest.mark.parametrize(
    ("tier", "rest", "weight"), [("gold", "", 3.0), ("expert", "", 1.0), ("silver", "", 0.5), ("silver", ", weight: 2", 2.0)]
)
def test_the_weight_is_the_tiers_unless_given(tmp_path, tier, rest, weight):
    assert load_datasets(write(tmp_path, entry(tier=tier, rest=rest)))[0].weight == weight


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param([entry(), entry()], "'one' stands here twice. Rename one of them.", id="name twice"),
        pytest.param(
            [entry(), entry("two", tier="bronze")],
            "datasets.1.tier: Input should be 'gold', 'expert' or 'silver'. Correct this key.",
            id="unknown tier",
        ),
        pytest.param(
            [entry(rest=", wieght: 2")], "datasets.0.wieght: Extra inputs are not permitted. Correct this key.", id="key"
        ),
        pytest.param([entry(rest=", weight: 0")], "datasets.0.weight: Input should be greater than 0. Correct this key.", id="0"),
        pytest.param(
            [entry(rest=", max_tokens: 0")],
            "datasets.0.max_tokens: Input should be greater than 0. Correct this key.",
            id="empty",
        ),
    ],
)
def test_a_damaged_declaration_names_file_and_key(tmp_path, entries, message):
    path = write(tmp_path, *entries)
    with pytest.raises(Ner11Error) as error:
        load_datasets(path)
    assert str(error.value) == f"{path}: {message}"


def test_a_tier_without_a_weight_is_an_error(tmp_path):
    path = tmp_path / "datasets.yml"
    path.write_text("weights: {gold: 3.0}\ndatasets:\n" + entry(tier="silver"), encoding="utf8")
    with pytest.raises(Ner11Error, match="one: no weight for the tier silver"):
        load_datasets(path)


def test_a_weight_is_positive(tmp_path):
    path = tmp_path / "datasets.yml"
    path.write_text("weights: {expert: -1.0}\ndatasets:\n" + entry(), encoding="utf8")
    with pytest.raises(Ner11Error, match=r"weights\.expert: Input should be greater than 0"):
        load_datasets(path)


def test_an_unknown_split_is_an_error(tmp_path):
    path = write(tmp_path, entry().replace("test: test.txt", "validation: test.txt"))
    with pytest.raises(Ner11Error, match=r"datasets\.0\.splits\.validation"):
        load_datasets(path)


@pytest.mark.parametrize("name", ["One", "a b", "../a", "a_b", "-a"])
def test_names_are_safe_as_folders(tmp_path, name):
    with pytest.raises(Ner11Error, match=r"datasets\.0\.name: "):
        load_datasets(write(tmp_path, entry(name)))


def test_present_takes_all_that_are_there_with_every_split(tmp_path):
    put(tmp_path, "a", "train.txt", "test.txt")
    put(tmp_path, "b", "train.txt")
    present, missing = select_datasets([dataset("a"), dataset("b"), dataset("c")], "present", root=tmp_path)
    assert (names(present), names(missing)) == (["a"], ["b", "c"])


@pytest.mark.parametrize(
    ("wanted", "present", "missing"),
    [("b", ["b"], []), ("b,a", ["b", "a"], []), (" b , b ,", ["b"], []), ("c, a", ["a"], ["c"])],
)
def test_names_choose(tmp_path, wanted, present, missing):
    put(tmp_path, "a", "train.txt", "test.txt")
    put(tmp_path, "b", "train.txt", "test.txt")
    chosen = select_datasets([dataset("a"), dataset("b"), dataset("c")], wanted, root=tmp_path)
    assert tuple(map(names, chosen)) == (present, missing)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("a,x", "datasets: unknown data set 'x'. Choose from a, b."),
        ("b", "datasets: none of the chosen data sets is there (b). Run "),
        ("", "datasets: none of the chosen data sets is there (none chosen). Run "),
    ],
)
def test_a_choice_without_data_is_an_error(tmp_path, wanted, message):
    with pytest.raises(Ner11Error) as error:
        select_datasets([dataset("a"), dataset("b")], wanted, root=tmp_path)
    assert str(error.value).startswith(message)


def test_every_domain_here_declares_its_data_sets():
    paths = sorted((ROOT / "configs" / "domains").glob("*/datasets.yml"))
    assert paths and all(load_datasets(path) for path in paths)
