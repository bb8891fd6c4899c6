import errno
import shutil
import zipfile

import pytest

from ner11.errors import Ner11Error
from ner11.files import hash_folder
from ner11.release import triton
from ner11.release.triton import TritonModel, served_versions, serving, write_repository
from ner11.release.triton_deploy import deploy
from tests.release.triton import real
from tests.release.triton.fake import read_config
from tests.release.triton.toys import GOLDEN, NAME, build_wheel, make_wheel


def test_the_model_for_texts_takes_texts_in_batches(model):
    config = read_config(model.folder / "config.pbtxt")
    assert (config["name"], config["backend"], config["max_batch_size"]) == (NAME, "python", 64)
    assert [(row["name"], row["data_type"], row["dims"]) for row in config["input"]] == [("TEXT", "TYPE_STRING", ["1"])]
    assert [row["name"] for row in config["output"]] == ["ENTITIES", "MODEL"]
    assert "dynamic_batching" in config
    assert config["model_warmup"][0]["inputs"]["TEXT"]["data_type"] == "TYPE_STRING"
    assert config["version_policy"] == {"specific": {"versions": ["1"]}}
    assert config["instance_group"] == [{"kind": "KIND_CPU", "count": 1}]


def test_the_model_for_word_pieces_has_the_tensors_of_the_graph(graph):
    config = read_config(graph.folder / "config.pbtxt")
    assert (config["name"], config["backend"]) == (f"{NAME}_graph", "onnxruntime")
    inputs = {row["name"]: (row["data_type"], row["dims"]) for row in config["input"]}
    assert inputs == {"input_ids": ("TYPE_INT64", ["-1"]), "attention_mask": ("TYPE_INT64", ["-1"])}
    (output,) = config["output"]
    assert (output["name"], output["data_type"], output["dims"]) == ("logits", "TYPE_FP32", ["-1", "9"])
    assert config["model_warmup"][0]["inputs"]["input_ids"]["dims"] == ["8"]
    assert "graph" in config["optimization"]


def test_the_contract_travels_with_every_version(model, graph):
    assert model.contract(1) == graph.contract(1)
    assert [golden["text"] for golden in model.contract(1)["golden"]] == list(GOLDEN)
    assert graph.reader(1) == model.pipeline(1)


def test_the_same_release_is_not_written_twice(repository, wheels, model):
    (model.version(1) / "__pycache__").mkdir()
    (model.version(1) / "__pycache__" / "model.pyc").touch()  # as a server leaves it
    before = hash_folder(repository)
    assert set(write_repository(wheels["first"], repository).values()) == {(1, False)}
    assert hash_folder(repository) == before


def test_another_release_is_another_version_that_nobody_serves_yet(repository, wheels, model):
    assert set(write_repository(wheels["second"], repository).values()) == {(2, True)}
    assert (model.versions, model.newest, model.served) == ([1, 2], 2, [1])


def test_a_full_disk_leaves_what_was_there(repository, wheels, model, monkeypatch):
    before = hash_folder(repository)

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "model.py")

    monkeypatch.setattr(triton, "write_text", fill)
    with pytest.raises(OSError, match="No space left"):
        write_repository(wheels["second"], repository)
    assert hash_folder(repository) == before
    assert not list(repository.rglob(".*"))


def test_a_full_disk_leaves_no_empty_model(wheels, tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "model.py")

    monkeypatch.setattr(triton, "write_text", fill)
    with pytest.raises(OSError, match="No space left"):
        write_repository(wheels["first"], tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_a_run_that_was_killed_before_the_configuration_is_finished_by_the_next(repository, wheels, model):
    (model.folder / "config.pbtxt").unlink()
    assert write_repository(wheels["first"], repository)[model] == (1, False)
    assert model.served == [1]


def test_two_commands_do_not_change_a_repository_at_once(repository, wheels, model):
    with triton.locked(repository), pytest.raises(Ner11Error, match=r"another command is changing it\. Wait"):
        write_repository(wheels["second"], repository)
    assert write_repository(wheels["second"], repository)[model] == (2, True)


def test_what_a_killed_run_left_is_cleared_and_no_version(repository, wheels, model):
    left = model.folder / ".partial-killed" / "version"
    left.mkdir(parents=True)
    assert model.versions == [1]
    write_repository(wheels["second"], repository)
    assert not left.exists()


def test_a_changed_file_is_named(model):
    path = model.pipeline(1) / "ner" / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Ner11Error, match=r"model\.onnx: not the file that the contract is about"):
        model.check(1)


def test_a_changed_graph_is_named(graph):
    graph.check(1)
    (graph.version(1) / "model.onnx").unlink()
    with pytest.raises(Ner11Error, match=r"_graph/1/model\.onnx: not the file"):
        graph.check(1)


def test_changes_by_hand_stay_where_the_release_fits_them(repository, wheels, model):
    path = model.folder / "config.pbtxt"
    path.write_text(path.read_text().replace("count: 1", "count: 4"))
    write_repository(wheels["second"], repository)
    config, kept = model.config_for(2)
    assert kept
    assert "count: 4" in config


def test_a_release_with_other_tags_brings_its_own_configuration(repository, tmp_path, graph):
    write_repository(make_wheel(tmp_path / "more", labels=("ACTOR", "MALWARE", "PLACE", "TOOL", "VERSION")), repository)
    config, kept = graph.config_for(2)
    assert not kept
    assert "[-1, 11]" in config


def test_a_policy_that_was_written_by_hand_otherwise_is_named(model):
    path = model.folder / "config.pbtxt"
    path.write_text(serving(path.read_text(), [1]).replace("specific { versions: [ 1 ] }", "latest { num_versions: 2 }"))
    with pytest.raises(Ner11Error, match=r"config\.pbtxt: does not say which versions are served.*specific"):
        _ = model.served


def test_the_served_versions_are_read_as_they_are_written(model):
    text = serving(model.config, [3, 12], name="other")
    assert served_versions(text) == [3, 12]
    assert 'name: "other"' in text
    assert text.count("version_policy") == 1


def test_a_policy_in_a_comment_is_none(model):
    path = model.folder / "config.pbtxt"
    path.write_text("# version_policy { specific { versions: [ 7 ] } }\n" + path.read_text())
    assert model.served == [1]
    assert served_versions(serving(model.config, [2])) == [2]


@pytest.mark.parametrize(
    ("recorded", "served", "expected"),
    [([1], [1, 2], [1, 2]), ([1, 2], [2, 3], [1, 2, 3]), ([1, 2], [1], [1]), ([1, 2], [1, 2], [1, 2]), ([1], [], [1])],
    ids=["a deployment that was killed", "a later one", "a rollback that was killed", "nothing happened", "nothing served"],
)
def test_the_configuration_decides_what_was_deployed_last(model, recorded, served, expected):
    model.record(recorded)
    (model.folder / "config.pbtxt").write_text(serving(model.config, served))
    assert model.deployed == expected


def test_an_unknown_model_or_version_is_named(model):
    with pytest.raises(Ner11Error, match=f"no such model; there are: {NAME}, {NAME}_graph"):
        _ = TritonModel(model.folder.with_name("en_ner11_food")).served
    with pytest.raises(Ner11Error, match="no such version; there are: 1"):
        model.contract(7)


def test_logits_cannot_be_read_without_the_release_that_they_are_of(model, graph):
    shutil.rmtree(model.version(1))
    with pytest.raises(Ner11Error, match=f"no version of the same release as {graph.name} 1"):
        graph.reader(1)


def test_what_is_no_package_with_a_graph_is_named(tmp_path):
    path = tmp_path / "en_ner11_toy_onnx-1.0.0-py3-none-any.whl"
    contract = '{"name": "en_ner11_toy_onnx", "version": "1.0.0", "graph": null}'
    path.write_bytes(b"no zip")
    with pytest.raises(Ner11Error, match="no wheel with a contract"):
        write_repository(path, tmp_path / "repository")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("en_ner11_toy_onnx/en_ner11_toy_onnx-1.0.0/contract.json", contract)
    with pytest.raises(Ner11Error, match="has no graph, it needs torch"):
        write_repository(path, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize("name", ["model.whl", "en_ner11_toy_onnx.whl", "en_ner11_toy_onnx-2.0.0-py3-none-any.whl"])
def test_a_wheel_of_another_name_is_named(wheels, tmp_path, name):
    path = shutil.copy(wheels["first"], tmp_path / name)
    with pytest.raises(Ner11Error, match="no wheel with a contract"):
        write_repository(path, tmp_path / "repository")


@pytest.mark.parametrize("contract", ["[]", "{}", '{"graph": {}, "name": "en_ner11_food_onnx", "version": "1.0.0"}'])
def test_a_wheel_with_the_contract_of_another_is_named(tmp_path, contract):
    path = tmp_path / "en_ner11_toy_onnx-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("en_ner11_toy_onnx/en_ner11_toy_onnx-1.0.0/contract.json", contract)
    with pytest.raises(Ner11Error, match="contract"):
        write_repository(path, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_a_damaged_wheel_is_one_line_and_leaves_nothing(wheels, tmp_path):
    path = tmp_path / wheels["first"].name
    with zipfile.ZipFile(wheels["first"]) as archive:
        at = next(info for info in archive.infolist() if info.filename.endswith("model.onnx")).header_offset + 120
    data = bytearray(wheels["first"].read_bytes())
    data[at] ^= 255
    path.write_bytes(data)
    with pytest.raises(Ner11Error, match=r"damaged \(Bad CRC-32"):
        write_repository(path, tmp_path / "repository")
    assert not list((tmp_path / "repository").iterdir())


@pytest.mark.slow
def test_a_package_as_it_is_shipped_is_served(tmp_path):
    from ner11.release.triton_client import TritonServer

    write_repository(build_wheel(tmp_path), tmp_path / "repository")
    model = TritonModel(tmp_path / "repository" / NAME)
    with real.served(tmp_path / "repository", tmp_path / "log") as url:
        server = TritonServer(url)
        deploy(server, model, 1)
        ((entity,),), _ = server.annotate(NAME, ["🙂 Turla"])
    assert (entity["start"], entity["end"], entity["label"]) == (2, 7, "ACTOR")
