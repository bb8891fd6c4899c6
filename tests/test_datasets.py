from pathlib import Path

import pytest

from ner11.datasets import Dataset, load_datasets, select_datasets
from ner11.errors import Ner11Error

ROOT = Path(__file__).parents[1]


def entry(name="one", tier="expert", rest="", splits="{train: train.txt, test: test.txt}"):
    return (
        f"  - {{name: {name}, path: sets/{name}, url: here, license: MIT, format: columns, "
        f"splits: {splits}, tier: {tier}, labels: {{X: Y}}{rest}}}\n"
    )


def write(folder, *entries):
    path = folder / "datasets.yml"
    path.write_text("weights: {gold: 3.0, expert: 1.0, silver: 0.5}\ndatasets:\n" + "".join(entries), encoding="utf8")
    return path


def dataset(name, **splits):
    return Dataset(
        name=name,
        path=Path("sets") / name,
        url="here",
        license="MIT",
        format="columns",
        splits=splits or {"train": "train.txt", "test": "test.txt"},
        tier="gold",
        labels="schema",
    )


def put(root, name, *files):
    for file in files:
        path = root / "sets" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(datasets):
    return [one.name for one in datasets]


@pytest.mark.parametrize(
    ("tier", "rest", "weight"), [("gold", "", 3.0), ("expert", "", 1.0), ("silver", "", 0.5), ("silver", ", weight: 2", 2.0)]
)
def test_the_weight_is_the_tiers_unless_given(tmp_path, tier, rest, weight):
    assert load_datasets(write(tmp_path, entry(tier=tier, rest=rest)))[0].weight == weight


@pytest.mark.parametrize(
    ("entries", "line", "message"),
    [
        pytest.param([entry(), entry()], 4, "'one' stands here twice. Rename one of them.", id="name twice"),
        pytest.param(
            [entry(), entry("two", tier="bronze")],
            4,
            "datasets.1.tier: Input should be 'gold', 'expert' or 'silver'. Correct this key.",
            id="unknown tier",
        ),
        pytest.param(
            [entry(rest=", wieght: 2")], 3, "datasets.0.wieght: Extra inputs are not permitted. Correct this key.", id="key"
        ),
        pytest.param(
            [entry(rest=", weight: 0")], 3, "datasets.0.weight: Input should be greater than 0. Correct this key.", id="0"
        ),
        pytest.param(
            [entry(rest=", max_tokens: 0")],
            3,
            "datasets.0.max_tokens: Input should be greater than 0. Correct this key.",
            id="empty",
        ),
        pytest.param(
            [entry(rest=", skip: '('")],
            3,
            "datasets.0.skip: Value error, '(' is no regular expression "
            "(missing ), unterminated subpattern at position 0). Correct this key.",
            id="pattern",
        ),
        pytest.param(
            [entry(rest=", hold_out: {test: 0.1}")],
            3,
            "datasets.0: Value error, test is held out and among the splits. Correct this key.",
            id="held out twice",
        ),
        pytest.param(
            [entry(rest=", hold_out: {dev: 0.1}", splits="{test: test.txt}")],
            3,
            "datasets.0: Value error, hold_out takes from train, which is not among the splits. Correct this key.",
            id="held out of nothing",
        ),
        pytest.param(
            [entry(rest=", hold_out: {dev: 0.5, test: 0.5}", splits="{train: train.txt}")],
            3,
            "datasets.0: Value error, hold_out leaves nothing for train. Correct this key.",
            id="all held out",
        ),
        pytest.param(
            [entry(rest=", hold_out: {dev: 1}", splits="{train: train.txt}")],
            3,
            "datasets.0.hold_out.dev: Input should be less than 1. Correct this key.",
            id="fraction",
        ),
        pytest.param(
            [entry(splits="{train: []}")],
            3,
            "datasets.0.splits.train.files: Value should have at least 1 item after validation, not 0. Correct this key.",
            id="no files",
        ),
    ],
)
def test_a_damaged_declaration_names_file_line_and_key(tmp_path, entries, line, message):
    path = write(tmp_path, *entries)
    with pytest.raises(Ner11Error) as error:
        load_datasets(path)
    assert str(error.value) == f"{path}:{line}: {message}"


@pytest.mark.parametrize(
    ("splits", "files"),
    [
        pytest.param("b.txt", ["b.txt"], id="file"),
        pytest.param(["b.txt", "a.txt"], ["b.txt", "a.txt"], id="list, in its order"),
        pytest.param("[ab].txt", ["a.txt", "b.txt"], id="glob, in the order of names"),
        pytest.param(["sub/*", "a.*"], ["sub/c.md", "a.txt"], id="globs"),
        pytest.param("odd[1].txt", ["odd[1].txt"], id="a file whose name looks like a glob"),
        pytest.param("none*", [], id="glob of nothing"),
        pytest.param("none.txt", ["none.txt"], id="a file that is not there"),
        pytest.param({"files": "b.txt", "options": {"x": 1}}, ["b.txt"], id="with options"),
    ],
)
def test_the_files_of_a_split(tmp_path, splits, files):
    put(tmp_path, "a", "b.txt", "a.txt", "sub/c.md", "odd[1].txt")
    found = dataset("a", train=splits).files("train", tmp_path)
    assert [str(path.relative_to(tmp_path / "sets" / "a")) for path in found] == files


def test_a_split_has_options_of_its_own(tmp_path):
    (one,) = load_datasets(write(tmp_path, entry(splits="{train: {files: a.txt, options: {separator: ' '}}}")))
    assert one.splits["train"].options == {"separator": " "}


def test_a_tier_without_a_weight_is_an_error(tmp_path):
    path = tmp_path / "datasets.yml"
    path.write_text("weights: {gold: 3.0}\ndatasets:\n" + entry(tier="silver"), encoding="utf8")
    with pytest.raises(Ner11Error, match=r"datasets\.yml:3: no weight for the tier silver"):
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


@pytest.mark.parametrize("files", ["*.txt", ["train.txt", "more.txt"]])
def test_a_set_without_some_of_its_files_is_not_there(tmp_path, files):
    put(tmp_path, "a", "train.md", "train.txt" if isinstance(files, list) else "x.md")
    with pytest.raises(Ner11Error, match="none of the chosen data sets is there"):
        select_datasets([dataset("a", train=files)], "a", root=tmp_path)


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
        ("b", "datasets: none of the chosen data sets is there (b: expected train.txt, test.txt in sets/b). Put "),
        ("", "datasets: none of the chosen data sets is there (none chosen). Put "),
    ],
)
def test_a_choice_without_data_is_an_error(tmp_path, wanted, message):
    with pytest.raises(Ner11Error) as error:
        select_datasets([dataset("a"), dataset("b")], wanted, root=tmp_path)
    assert str(error.value).startswith(message)


def test_every_domain_here_declares_its_data_sets():
    paths = sorted((ROOT / "configs" / "domains").glob("*/datasets.yml"))
    assert paths and all(load_datasets(path) for path in paths)


@pytest.mark.parametrize("pattern", ["/data/*.txt", "a**/b"])
def test_a_pattern_that_is_no_glob_is_named(tmp_path, pattern):
    (tmp_path / "sets").mkdir()
    dataset = Dataset(
        name="x", path="sets", url="u", license="MIT", format="columns", splits={"train": pattern}, tier="gold", labels={}
    )
    with pytest.raises(Ner11Error, match="no glob"):
        dataset.files("train", tmp_path)
