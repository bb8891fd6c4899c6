import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import srsly

from ner11.errors import Ner11Error
from ner11.release import triton_deploy, triton_verify
from ner11.release.triton import TritonModel, locked, write_repository
from ner11.release.triton_client import TritonServer
from ner11.release.triton_deploy import deploy, rollback
from tests.release.triton.fake import without_onnxruntime
from tests.release.triton.toys import LABELS, make_wheel

TOOL = "They ran Mimikatz."
"""Only the second release finds something here."""


def entities(server, model, text, version=None):
    ((found,), _) = server.annotate(model.name, [text], version=version)
    return [(entity["text"], entity["label"]) for entity in found]


@pytest.fixture
def deployed(server, model):
    """The first release is served."""
    deploy(server, model, 1)
    return model


@pytest.fixture
def second(wheels, deployed):
    """The second release is written."""
    write_repository(wheels["second"], deployed.folder.parent)
    return deployed


def break_code(model):
    (model.version(2) / "model.py").write_text("raise ValueError('broken on purpose')\n")


def promise_more(model):
    path = model.version(2) / "contract.json"
    contract = srsly.read_json(path)
    contract["golden"][0]["entities"].append([6, 10, "TOOL", 0.9])
    srsly.write_json(path, contract)


def lose_a_file(model):
    (model.pipeline(2) / "ner" / "tokenizer.json").unlink()


def test_the_first_release_is_served(server, deployed):
    assert entities(server, deployed, "🙂 Sandworm in Ukraine") == [("Sandworm", "ACTOR"), ("Ukraine", "PLACE")]
    assert server.served(deployed.name) == deployed.served == [1]


def test_a_second_release_takes_over_and_the_first_stays_for_those_who_name_it(server, second):
    done = deploy(server, second, 2)
    assert (done.version, done.before, done.config_replaced) == (2, 1, False)
    assert entities(server, second, TOOL) == [("Mimikatz", "TOOL")]
    assert entities(server, second, TOOL, version=1) == []


def test_what_is_written_but_not_deployed_is_served_to_nobody(server, second):
    server.unload(second.name)
    server.load(second.name)  # as a server does that starts again
    assert server.served(second.name) == [1]


def test_clients_are_answered_all_the_while(server, url, second):
    over = Event()

    def ask():
        client, answers = TritonServer(url), []
        while not over.is_set():
            answers.append(entities(client, second, TOOL))
        return answers

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        deploy(server, second, 2)
        over.set()
        answers = asked.result()
    switch = answers.index([("Mimikatz", "TOOL")]) if [("Mimikatz", "TOOL")] in answers else len(answers)
    assert answers[0] == []
    assert answers[:switch] == [[]] * switch
    assert answers[switch:] == [[("Mimikatz", "TOOL")]] * (len(answers) - switch)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_code, r"refused, version 1 is served as before \(.*broken on purpose"),
        (promise_more, r"refused, version 1 is served as before \(golden text 1: TOOL 'used' \(6 to 10\) is not found\)"),
        (lose_a_file, "not the file that the contract is about"),
    ],
)
def test_a_broken_version_is_refused_and_the_old_one_answers(server, second, damage, said):
    damage(second)
    with pytest.raises(Ner11Error, match=said) as caught:
        deploy(server, second, 2)
    assert "\n" not in str(caught.value)
    assert entities(server, second, "Turla") == [("Turla", "ACTOR")]
    assert server.served(second.name) == second.served == [1]
    assert not list(second.folder.parent.glob("*_candidate"))


def test_rollback_serves_the_old_release_again(server, second):
    deploy(server, second, 2)
    done = rollback(server, second)
    assert (done.version, done.before) == (1, 2)
    assert entities(server, second, TOOL) == []
    assert second.served == [1]


def test_after_a_rollback_there_is_nothing_to_go_back_to(server, second):
    deploy(server, second, 2)
    rollback(server, second)
    with pytest.raises(Ner11Error, match="no earlier version was deployed"):
        rollback(server, second)


def test_a_release_that_was_rolled_back_can_be_deployed_again(server, second):
    deploy(server, second, 2)
    rollback(server, second)
    assert deploy(server, second, 2).version == 2
    assert rollback(server, second).version == 1


def test_a_switch_that_fails_after_the_trial_leaves_the_old_release(server, second, monkeypatch):
    load = server.load

    def load_candidates_only(name):
        load(name)
        if name == second.name and second.served == [1, 2]:
            raise Ner11Error("no answer within 1 s", where=server.url)

    monkeypatch.setattr(server, "load", load_candidates_only)
    with pytest.raises(Ner11Error, match="no answer within 1 s"):
        deploy(server, second, 2)
    assert second.served == [1]
    assert entities(server, second, TOOL) == []


def test_a_server_that_does_not_go_back_is_told_and_nothing_else_is_claimed(server, second, monkeypatch):
    load = server.load

    def load_nothing_more(name):
        if name == second.name:
            raise Ner11Error("no answer within 1 s", where=server.url)
        load(name)

    monkeypatch.setattr(server, "load", load_nothing_more)
    with pytest.raises(Ner11Error, match=r"does not go back, although config\.pbtxt is as before: restart it") as caught:
        deploy(server, second, 2)
    assert "served as before" not in str(caught.value)
    assert second.served == [1]


def test_a_deployment_that_cannot_be_recorded_is_none(server, second, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TritonModel, "record", fill)
    with pytest.raises(OSError, match="No space left"):
        deploy(server, second, 2)
    assert server.served(second.name) == second.served == [1]


def test_the_same_version_again_keeps_the_one_beside_it(server, second):
    deploy(server, second, 2)
    assert deploy(server, second, 2).before == 2
    assert server.served(second.name) == [1, 2]
    assert rollback(server, second).version == 1


def test_a_deployment_waits_for_no_other_but_says_so(server, second):
    with locked(second.folder.parent):
        for change in (lambda: deploy(server, second, 2), lambda: rollback(server, second)):
            with pytest.raises(Ner11Error, match="another command is changing it"):
                change()
    assert server.served(second.name) == [1]


def test_a_full_disk_leaves_the_old_release(server, second, monkeypatch):
    def fill(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(triton_deploy, "write_text", fill)
    with pytest.raises(OSError, match="No space left"):
        deploy(server, second, 2)
    assert server.served(second.name) == second.served == [1]
    assert not list(second.folder.parent.glob("*_candidate"))


def test_a_configuration_that_the_operator_broke_is_named(server, second):
    path = second.folder / "config.pbtxt"
    path.write_text(path.read_text().replace("max_batch_size: 64", "max_batch_size: sixty"))
    with pytest.raises(Ner11Error, match=r"/config\.pbtxt is damaged.*mend the file"):
        deploy(server, second, 2)
    assert server.served(second.name) == [1]


def test_what_the_operator_changed_in_the_configuration_stays(server, second):
    path = second.folder / "config.pbtxt"
    path.write_text(path.read_text().replace("max_batch_size: 64", "max_batch_size: 7"))
    deploy(server, second, 2)
    assert server.config(second.name)["max_batch_size"] == 7


@pytest.fixture
def deployed_graph(server, graph, monkeypatch):
    """The first release's logits are served."""
    monkeypatch.setattr(triton_verify, "compare_config", lambda *_, **__: [])  # they would name the backend
    without_onnxruntime(graph, 1)
    deploy(server, graph, 1)
    return graph


def test_logits_are_deployed_too(server, deployed_graph, wheels):
    write_repository(wheels["second"], deployed_graph.folder.parent)
    without_onnxruntime(deployed_graph, 2)
    deploy(server, deployed_graph, 2)
    assert server.served(deployed_graph.name) == [1, 2]


def test_logits_of_other_tags_take_over_and_can_be_taken_back(server, deployed_graph, tmp_path):
    write_repository(make_wheel(tmp_path / "more", labels=(*LABELS, "VERSION")), deployed_graph.folder.parent)
    without_onnxruntime(deployed_graph, 2)
    done = deploy(server, deployed_graph, 2)
    assert done.config_replaced
    assert server.served(deployed_graph.name) == [2]
    assert server.metadata(deployed_graph.name)["outputs"][0]["shape"] == [-1, -1, 11]
    assert rollback(server, deployed_graph).version == 1
    assert server.metadata(deployed_graph.name)["outputs"][0]["shape"] == [-1, -1, 9]


def test_a_server_without_the_backend_for_logits_refuses_them(server, graph):
    with pytest.raises(Ner11Error, match="refused, nothing is served under this name"):
        deploy(server, graph, 1)


def test_a_server_on_another_folder_is_named(server, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(model.folder.parent, elsewhere)
    with pytest.raises(Ner11Error, match="reads another folder"):
        deploy(server, TritonModel(elsewhere / model.name), 1)
