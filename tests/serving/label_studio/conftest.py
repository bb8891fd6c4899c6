"""The routes with stand-ins behind them."""

import pytest
from fastapi.testclient import TestClient

from tests.serving.label_studio.toys import make_app, make_services


@pytest.fixture
def services():
    return make_services()


@pytest.fixture
def client(services):
    with TestClient(make_app(services)) as made:
        yield made
