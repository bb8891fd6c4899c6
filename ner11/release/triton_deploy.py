"""Another version behind the same name: tried out of the clients' sight first, served only if it keeps its contract."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ner11.errors import Ner11Error
from ner11.files import write_text
from ner11.release.triton import CONFIG, TritonModel, locked, serving
from ner11.release.triton_client import TritonRefusalError, TritonServer
from ner11.release.triton_verify import find_differences

CANDIDATE = "_candidate"
"""What the name ends with under which a version is tried."""
_SHOWN = 3


@dataclass(frozen=True)
class Deployment:
    """What is served after `deploy` or `rollback`.

    Attributes:
        version: The version that answers clients that name none.
        before: The one that did so before; None if none did.
        config_replaced: Whether `config.pbtxt` was replaced because the version needs another one.
    """

    version: int
    before: int | None
    config_replaced: bool = False


def _reasons(differences: Sequence[str]) -> str:
    more = f"; {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return f"{'; '.join(differences[:_SHOWN])}{more}"


def _last(versions: Sequence[int]) -> int | None:
    return versions[-1] if versions else None


def _still(before: int | None) -> str:
    return "nothing is served under this name" if before is None else f"version {before} is served as before"


@contextmanager
def _candidate(server: TritonServer, model: TritonModel, version: int, config: str) -> Iterator[str]:
    """Load a version under a name that no client knows.

    Yields:
        That name.
    """
    name = f"{model.name}{CANDIDATE}"
    folder = model.folder.with_name(name)
    if folder.exists():  # of a run that was killed
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        (folder / str(version)).symlink_to(f"../{model.name}/{version}", target_is_directory=True)
        write_text(folder / CONFIG, serving(config, [version], name=name))
        server.load(name)
        yield name
    finally:
        with suppress(Ner11Error):
            server.unload(name)
        shutil.rmtree(folder)


def _try_out(server: TritonServer, model: TritonModel, version: int, config: str, before: int | None) -> None:
    try:
        with _candidate(server, model, version, config) as name:
            contract, reader = model.contract(version), model.reader(version)
            differences = find_differences(server, name, contract, version=version, pipeline=reader)
    except TritonRefusalError as e:
        differences = [e.what]
    if differences:
        fix = "Mend it and write it again"
        where = f"{model.name} version {version}"
        raise Ner11Error(f"refused, {_still(before)} ({_reasons(differences)})", where=where, fix=fix)


def _go_back(server: TritonServer, model: TritonModel, before: int | None) -> str:
    """Make the server read the old configuration again; say what it serves then."""
    try:
        if before is None:
            server.unload(model.name)
        else:
            server.load(model.name)
            if (now := _last(server.served(model.name))) != before:
                return f"the server answers with version {now}, although {CONFIG} is as before: restart it"
    except Ner11Error as e:
        return f"the server does not go back, although {CONFIG} is as before: restart it ({e.what})"
    return _still(before)


@contextmanager
def _restored_on_failure(server: TritonServer, model: TritonModel, before: int | None) -> Iterator[None]:
    """Put the configuration back after a failure, and make the server read it."""
    old = model.config
    try:
        yield
    except BaseException as e:
        write_text(model.folder / CONFIG, old)
        state = _go_back(server, model, before)
        if isinstance(e, Ner11Error):
            raise Ner11Error(f"{e.what}; {state}", where=e.where, fix=e.fix) from e
        raise


def _switch(
    server: TritonServer, model: TritonModel, version: int, config: str, before: int | None, *, history: Sequence[int]
) -> None:
    """Serve a version to clients that name none, and record that."""
    with _restored_on_failure(server, model, before):
        write_text(model.folder / CONFIG, config)
        try:
            server.load(model.name)
            contract, reader = model.contract(version), model.reader(version)
            differences = find_differences(server, model.name, contract, pipeline=reader)
            if (now := _last(server.served(model.name))) != version:
                differences.insert(0, f"the server answers with version {now}")
        except TritonRefusalError as e:
            differences = [e.what]
        if differences:
            where = f"{model.name} version {version}"
            fix = "Look into the server's log"
            raise Ner11Error(f"could not be served ({_reasons(differences)})", where=where, fix=fix)
        model.record(history)


def deploy(server: TritonServer, model: TritonModel, version: int) -> Deployment:
    """Serve a version of a model, if it keeps its contract on this very server.

    It is loaded under another name first and asked the golden texts; only then does the server get it under the model's name,
    with the version before it still loaded for clients that name that one.

    Args:
        server: The server. It must have been started with `--model-control-mode=explicit` on the model's repository.
        model: The model.
        version: The version.

    Raises:
        Ner11Error: If the server cannot be reached, or the version does not keep its contract there. What was served before is
            served still.
    """
    with locked(model.folder.parent):
        model.check(version)
        config, kept = model.config_for(version)
        history = [number for number in model.deployed if number != version]
        server.check()
        served = server.served(model.name)
        before = _last(served)
        _try_out(server, model, version, config, before)
        # A server answers with the highest version; and both have to fit one configuration.
        beside = [number for number in served if number < version][-1:] if kept else []
        _switch(server, model, version, serving(config, [*beside, version]), before, history=[*history, version])
    return Deployment(version, before, not kept)


def rollback(server: TritonServer, model: TritonModel) -> Deployment:
    """Serve the version again that was deployed before the present one.

    Args:
        server: The server.
        model: The model.

    Raises:
        Ner11Error: If there is none, or the server cannot be reached, or the old version does not keep its contract any
            more. What was served before is served still.
    """
    with locked(model.folder.parent):
        history = model.deployed
        if len(history) < 2:
            raise Ner11Error("no earlier version was deployed", where=model.folder, fix="Deploy another one")
        version = history[-2]
        model.check(version)
        config, kept = model.config_for(version)
        server.check()
        before = _last(server.served(model.name))
        _switch(server, model, version, serving(config, [version]), before, history=history[:-1])
    return Deployment(version, before, not kept)
