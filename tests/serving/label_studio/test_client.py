import json
import time

import httpx
import pytest

from ner11.errors import Ner11Error
from ner11.serving.label_studio import client as module
from ner11.serving.label_studio.client import LabelStudio

URL = "http://studio:8080"
TASKS = [{"id": 1, "data": {"text": "Alice 😀"}, "annotations": []}]


class Studio:
    """A Label Studio that takes one personal access token."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.access = "access-0"
        self.imported: list[list[dict]] = []
        self.answers: dict[str, httpx.Response | Exception] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.log.append(path)
        if path in self.answers:
            answer = self.answers[path]
            if isinstance(answer, Exception):
                raise answer
            return answer
        if path == "/api/token/refresh/":
            if json.loads(request.content) != {"refresh": "pat"}:
                return httpx.Response(401, json={"detail": "Token is invalid", "code": "token_not_valid"})
            self.access = f"access-{self.log.count(path)}"
            return httpx.Response(200, json={"access": self.access})
        if request.headers["Authorization"] not in (f"Bearer {self.access}", "Token legacy"):
            return httpx.Response(401, json={"detail": "legacy token authentication has been disabled"})
        if path.endswith("/export"):
            assert request.url.params["exportType"] == "JSON"
            return httpx.Response(200, content=json.dumps(TASKS).encode())
        if path.endswith("/import"):
            rows = json.loads(request.content)
            self.imported.append(rows)
            return httpx.Response(201, json={"task_count": len(rows), "task_ids": list(range(len(rows)))})
        if path == "/api/projects/3/":
            return httpx.Response(200, json={"id": 3, "label_config": "<View/>"})
        return httpx.Response(404, json={"detail": "Not found."})


@pytest.fixture
def studio():
    return Studio()


@pytest.fixture
def client(studio):
    with LabelStudio(URL + "/", "pat", transport=httpx.MockTransport(studio)) as made:
        yield made


def test_a_personal_access_token_is_exchanged_once(client, studio):
    assert [client.labeling_config(3) for _ in range(3)] == ["<View/>"] * 3
    assert studio.log == ["/api/token/refresh/", *["/api/projects/3/"] * 3]


def test_an_access_token_that_has_had_its_time_is_renewed(client, studio, monkeypatch):
    client.labeling_config(3)
    later = time.monotonic() + 250
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    client.labeling_config(3)
    assert studio.log.count("/api/token/refresh/") == 2


def test_an_access_token_that_is_refused_is_renewed(client, studio):
    client.labeling_config(3)
    studio.access = "of a Label Studio that was started again"
    assert client.labeling_config(3) == "<View/>"
    assert studio.log.count("/api/token/refresh/") == 2


def test_a_legacy_token_is_sent_only_if_told(studio):
    client = LabelStudio(URL, "legacy", legacy=True, transport=httpx.MockTransport(studio))
    assert client.labeling_config(3) == "<View/>" and studio.log == ["/api/projects/3/"]


@pytest.mark.parametrize(("token", "legacy", "said"), [("wrong", False, "Token is invalid"), ("wrong", True, "legacy token")])
def test_a_rejected_token_is_one_line_with_the_reason(studio, token, legacy, said):
    client = LabelStudio(URL, token, legacy=legacy, transport=httpx.MockTransport(studio))
    with pytest.raises(Ner11Error, match=f"rejects the token \\({said}.*NER11_LABEL_STUDIO_TOKEN") as raised:
        client.labeling_config(3)
    assert "\n" not in str(raised.value) and studio.log.count("/api/token/refresh/") <= 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "cannot be reached"),
        (httpx.ReadTimeout("timed out"), "does not answer in time"),
        (httpx.RemoteProtocolError("peer closed connection"), "broke off"),
        (httpx.Response(500, text="<html>"), "answers 500 \\(Internal Server Error\\)"),
        (httpx.Response(403, json={"detail": "You do not have permission"}), "rejects the token \\(You do not"),
        (httpx.Response(404, json={"detail": "No Project matches"}), "does not know that \\(No Project"),
        (httpx.Response(302, headers={"Location": "https://studio/"}), "sends us to https://studio/"),
        (httpx.Response(200, text="<html>Welcome</html>"), "is no JSON"),
        (httpx.Response(200, json=[1]), "none of Label Studio"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(client, studio, answer, said):
    studio.answers["/api/projects/3/"] = answer
    with pytest.raises(Ner11Error, match=said) as raised:
        client.labeling_config(3)
    assert "\n" not in str(raised.value) and URL in str(raised.value)


@pytest.mark.parametrize("url", ["", "studio", "ftp://studio", "http://"])
def test_what_is_no_address_is_refused_at_once(url):
    with pytest.raises(Ner11Error, match="no address"):
        LabelStudio(url, "pat")


@pytest.mark.parametrize("token", ["", "tökén", "a\nb"])
def test_what_is_no_token_is_refused_at_once(token):
    with pytest.raises(Ner11Error, match="NER11_LABEL_STUDIO_TOKEN"):
        LabelStudio(URL, token)


def test_an_export_is_written_whole(client, tmp_path):
    path = tmp_path / "new" / "export.json"
    client.export(3, path)
    assert json.loads(path.read_text(encoding="utf8")) == TASKS
    assert [file.name for file in path.parent.iterdir()] == ["export.json"]


class Broken(httpx.SyncByteStream):
    def __iter__(self):
        yield b'[{"id": 1},'
        raise httpx.RemoteProtocolError("peer closed connection")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, stream=Broken()),
        httpx.Response(200, content=b'[{"id": 1},'),
        httpx.Response(500, json={"detail": "no space left"}),
    ],
)
def test_an_export_that_breaks_off_leaves_the_old_one(client, studio, tmp_path, answer):
    studio.answers["/api/projects/3/export"] = answer
    path = tmp_path / "export.json"
    path.write_text("old")
    with pytest.raises(Ner11Error):
        client.export(3, path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_tasks_are_imported_in_parts(client, studio, monkeypatch):
    monkeypatch.setattr(module, "_TASKS_AT_ONCE", 2)
    tasks = [{"data": {"text": str(i)}} for i in range(5)]
    assert client.import_tasks(3, tasks) == [0, 1, 0, 1, 0]
    assert [row for rows in studio.imported for row in rows] == tasks


def test_an_import_that_breaks_off_says_how_far_it_came(client, studio, monkeypatch):
    monkeypatch.setattr(module, "_TASKS_AT_ONCE", 2)
    client.import_tasks(3, [{}])
    answers = iter(
        [httpx.Response(201, json={"task_ids": [1, 2]}), httpx.Response(400, json={"validation_errors": ["bad\ntask"]})]
    )
    monkeypatch.setattr(Studio, "__call__", lambda self, request: next(answers))
    with pytest.raises(Ner11Error, match=r"answers 400 .* \(2 of 3 tasks were added before\)"):
        client.import_tasks(3, [{}, {}, {}])
