import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from ner11.notify import URLS, notify


@pytest.fixture
def server():
    """A server on this machine, and the messages that reach it."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if "refuse" in self.path else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{http.server_port}", received
    http.shutdown()


def test_sends_one_message(server, monkeypatch):
    url, received = server
    monkeypatch.setenv(URLS, url)
    assert notify("done", "F1 50") is None
    assert [(message["title"], message["message"]) for message in received] == [("done", "F1 50")]


def test_no_address_no_message(monkeypatch):
    monkeypatch.delenv(URLS, raising=False)
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert notify("done", "F1 50") is None


def test_several_addresses(server, monkeypatch):
    url, received = server
    monkeypatch.setenv(URLS, f"{url}/a {url}/b")
    assert notify("done", "F1 50") is None
    assert len(received) == 2


def test_an_unknown_address_is_told_and_not_repeated(monkeypatch):
    monkeypatch.setenv(URLS, "nothing://secret")
    problem = notify("done", "F1 50")
    assert "does not know" in problem and "secret" not in problem


def test_what_does_not_arrive_is_told(server, monkeypatch):
    monkeypatch.setenv(URLS, server[0] + "/refuse")
    assert "could not be delivered" in notify("done", "F1 50")


def test_the_missing_extra_is_told(monkeypatch):
    monkeypatch.setenv(URLS, "json://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "pip install -e '.[notify]'" in notify("done", "F1 50")
