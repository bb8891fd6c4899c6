import base64

import pytest

from ner11.errors import Ner11Error
from ner11.serving.auth import check_exposure
from ner11.serving.settings import Settings

ROUTES = [("GET", "/v1/model"), ("POST", "/v1/extract"), ("GET", "/metrics"), ("GET", "/openapi.json")]


def basic(login: str, encoding: str = "utf8") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(login.encode(encoding)).decode()}"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_all_but_health_and_readiness_is_guarded(serve, method, path):
    client = serve(token="sesame")
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"].startswith("Say who you are")
    assert {client.get(path).status_code for path in ("/health", "/ready", "/")} == {200}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": b"Bearer s\xc3\xa9same"}, 200),
        ({"Authorization": b"bearer s\xe9same"}, 200),
        (basic("ana:pässword:ü"), 200),
        (basic("ana:pässword:ü", "latin-1"), 200),
        (basic("ana:wrong"), 401),
        (basic("ana"), 401),
        ({"Authorization": "Bearer ana:pässword:ü".encode()}, 401),
        ({"Authorization": "Basic sésame".encode()}, 401),
        ({"Authorization": "Basic"}, 401),
        ({"Authorization": "Token sesame"}, 401),
        ({"Authorization": b"\xff\xfe"}, 401),
        ({}, 401),
    ],
)
def test_token_and_password_are_taken_in_the_bytes_that_clients_send(serve, headers, status):
    client = serve(token="sésame", user="ana", password="pässword:ü")
    assert client.get("/v1/model", headers=headers).status_code == status


def test_without_any_set_nothing_is_asked(client):
    assert client.get("/v1/model").status_code == 200
    assert client.get("/v1/model", headers=basic("any:body")).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "ner11.example"])
def test_an_address_that_others_reach_needs_a_password(host):
    with pytest.raises(Ner11Error, match="NER11_TOKEN"):
        check_exposure(Settings(host=host))
    for settings in ({"token": "a"}, {"user": "a", "password": "b"}, {"public": True}):
        check_exposure(Settings(host=host, **settings))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_an_address_of_this_machine_alone_needs_none(host):
    check_exposure(Settings(host=host))
