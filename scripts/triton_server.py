"""Bring the package without torch to a Triton server: write its model repository, verify a server, deploy, roll back."""

# Not "triton.py": torch imports a package of that name, and would find this script.

from common import ROOT, Domain, Quiet, command, fail, one_line

# isort: split
from pathlib import Path
from typing import Annotated

import typer
from check_package import built_packages

from ner11.errors import Ner11Error
from ner11.release.package import ONNX
from ner11.release.triton import TritonModel, write_repository
from ner11.release.triton_client import TritonServer
from ner11.release.triton_deploy import Deployment, deploy, rollback
from ner11.release.triton_verify import find_differences

app = typer.Typer(help=__doc__, add_completion=False)

Url = Annotated[str, typer.Argument(help="Address of the server's HTTP port, like http://127.0.0.1:8000.")]
Repository = Annotated[Path, typer.Option(help="The model repository.")]
Model = Annotated[str | None, typer.Option(help="Name of a model in the repository; en_ner11_<domain> if not given.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Longest wait for an answer of the server, in seconds.")]
REPOSITORY = ROOT / "packages" / "triton"


def _model(repository: Path, model: str | None, domain: str) -> TritonModel:
    return TritonModel(repository / (model or f"en_ner11_{domain}"))


def _onnx_wheel() -> Path:
    """Give the wheel without torch that was built last."""
    wheels = [package.wheel for package in built_packages() if ONNX in package.name]
    if not wheels:
        fix = "Run 'spacy project run export' and package, or give a wheel with --wheel"
        raise Ner11Error("no package without torch was built", where=ROOT / "training" / "package.json", fix=fix)
    return wheels[0]


def _say(line: str, style: str, *, quiet: bool) -> None:
    if not quiet:
        print(one_line(line, style))


def _say_what_serves(model: TritonModel, url: str, done: Deployment, *, quiet: bool) -> None:
    contract = model.contract(done.version)
    before = f" (before: version {done.before})" if done.before not in (None, done.version) else ""
    line = f"{url} serves {model.name} version {done.version}, which is {contract['name']} {contract['version']}{before}"
    _say(line, "good", quiet=quiet)
    if done.config_replaced:
        line = f"This release needs another {model.folder / 'config.pbtxt'}: what was changed there by hand is gone"
        _say(line, "warn", quiet=quiet)


@app.command("write")
@command
def write(
    wheel: Annotated[Path | None, typer.Option(help="A package without torch; the one that was built last if not given.")] = None,
    repository: Repository = REPOSITORY,
    quiet: Quiet = False,
) -> None:
    """Write the package without torch as the next version of two Triton models; no server serves it before it is deployed."""
    if wheel is not None and not wheel.is_file():
        raise Ner11Error("no such wheel", where=wheel, fix="Give one that 'spacy project run package' wrote")
    for model, (version, new) in write_repository(wheel or _onnx_wheel(), repository).items():
        _say(f"{'Wrote' if new else 'Unchanged:'} {model.folder / str(version)}", "good", quiet=quiet)


@app.command("verify")
@command
def verify(
    url: Url,
    domain: Domain = "cyber",
    model: Model = None,
    repository: Repository = REPOSITORY,
    timeout: Timeout = 60.0,
    quiet: Quiet = False,
) -> None:
    """Compare what a server says and answers with the contract of what it should serve; exit with 1 if anything differs."""
    found = _model(repository, model, domain)
    version = found.current
    server = TritonServer(url, timeout=timeout)
    server.check()
    contract = found.contract(version)
    differences = find_differences(server, found.name, contract, pipeline=found.reader(version))
    for difference in differences:
        print(one_line(difference), flush=True)
    if differences:
        fail(f"{url} does not serve what the contract of {found.name} version {version} says")
    _say(f"{url} keeps the contract of {found.name} version {version}", "good", quiet=quiet)


@app.command("deploy")
@command
def deploy_version(
    url: Url,
    domain: Domain = "cyber",
    model: Model = None,
    version: Annotated[int | None, typer.Option(help="Number of the version; the newest if not given.")] = None,
    repository: Repository = REPOSITORY,
    timeout: Timeout = 60.0,
    quiet: Quiet = False,
) -> None:
    """Load a version, verify it out of the clients' sight, and serve it; on failure what was served before stays."""
    found = _model(repository, model, domain)
    done = deploy(TritonServer(url, timeout=timeout), found, found.newest if version is None else version)
    _say_what_serves(found, url, done, quiet=quiet)


@app.command("rollback")
@command
def roll_back(
    url: Url,
    domain: Domain = "cyber",
    model: Model = None,
    repository: Repository = REPOSITORY,
    timeout: Timeout = 60.0,
    quiet: Quiet = False,
) -> None:
    """Serve the version again that was deployed before the present one."""
    found = _model(repository, model, domain)
    _say_what_serves(found, url, rollback(TritonServer(url, timeout=timeout), found), quiet=quiet)


if __name__ == "__main__":
    app()
