"""A model repository of toy packages, and a server on it: a fake one, and with --slow the real one too."""

from pathlib import Path

import pytest

from ner11.release.triton import TritonModel, write_repository
from ner11.release.triton_client import TritonServer
from tests.release.triton import fake, real
from tests.release.triton.toys import NAME, WORDS, make_wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> dict[str, Path]:
    """Packages: two of one line of releases, and one that is another model altogether."""
    folder = tmp_path_factory.mktemp("wheels")
    more = {**WORDS, "Mimikatz": "TOOL"}
    small = {"words": {"Turla": "THREAT", "Kazuar": "THREAT"}, "labels": ["THREAT"], "scheme": "IO"}
    return {
        "first": make_wheel(folder, version="1.0.0"),
        "second": make_wheel(folder, version="1.1.0", words=more),
        "other": make_wheel(folder, version="9.0.0", **small),
    }


@pytest.fixture
def repository(tmp_path, wheels) -> Path:
    """A model repository with the first release."""
    path = tmp_path / "repository"
    write_repository(wheels["first"], path)
    return path


@pytest.fixture
def model(repository) -> TritonModel:
    """The model for texts in it."""
    return TritonModel(repository / NAME)


@pytest.fixture
def graph(repository) -> TritonModel:
    """The model for word pieces in it."""
    return TritonModel(repository / f"{NAME}_graph")


@pytest.fixture(scope="session")
def real_server(tmp_path_factory):
    """The real server, and the link through which it reads the repository of the test that runs."""
    folder = tmp_path_factory.mktemp("triton")
    link = folder / "repository"
    link.symlink_to(folder, target_is_directory=True)
    with real.served(link, folder / "log") as address:
        yield address, link


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.slow)])
def url(request, repository):
    """The address of a server on the repository, in explicit mode, with nothing loaded."""
    if request.param == "fake":
        with fake.served(fake.FakeTriton(repository)) as address:
            yield address
        return
    address, link = request.getfixturevalue("real_server")
    link.unlink()
    link.symlink_to(repository, target_is_directory=True)
    yield address
    real.unload_all(TritonServer(address))


@pytest.fixture
def server(url) -> TritonServer:
    """The client of that server."""
    return TritonServer(url, timeout=60)
