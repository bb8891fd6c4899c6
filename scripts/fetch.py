"""Get data sets that are folders of a repository, at their pinned commits."""

from common import ROOT, Quiet, command

# isort: split
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import srsly
import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.files import replaced_dir

DATASETS = ROOT / "assets" / "datasets"


def fetch(repo: str, commit: str, paths: list[str], folder: Path) -> None:
    """Put the paths of a repository at a commit under a folder, which keeps what else is in it.

    The commit is the checksum: git refuses content that does not hash to it.
    """
    if shutil.which("git") is None:
        raise Ner11Error("git is not installed", where="fetch", fix="Install git")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        for arguments in (
            ["init", "--quiet"],
            ["fetch", "--quiet", "--depth=1", "--filter=blob:none", repo, commit],
            ["-c", f"remote.origin.url={repo}", "-c", "remote.origin.promisor=true", "checkout", "FETCH_HEAD", "--", *paths],
        ):
            done = subprocess.run(["git", "-C", temporary, *arguments], capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip() or "git failed").splitlines()[-1]
                raise Ner11Error(f"commit {commit[:7]} could not be fetched ({reason})", where=repo, fix="Check the network")
        checkout = Path(temporary)
        shutil.rmtree(checkout / ".git")
        for source in [entry for path in paths for entry in (checkout.iterdir() if path == "." else [checkout / path])]:
            target = folder / source.relative_to(checkout)
            if source.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                with replaced_dir(target) as partial:
                    source.replace(partial)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)


@command
def main(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets to get; all by default.")] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch the assets of project.yml that have a commit."""
    msg = Printer(no_print=quiet)
    pinned = [asset for asset in srsly.read_yaml(ROOT / "project.yml")["assets"] if "commit" in asset]
    assets = {Path(asset["dest"]).relative_to(DATASETS).parts[0]: asset for asset in pinned}
    for name in names or assets:
        if name not in assets:
            raise Ner11Error(f"'{name}' is no such data set", where="fetch", fix=f"Choose from {', '.join(assets)}")
        asset = assets[name]
        msg.info(f"Fetching {name}")
        fetch(asset["repo"], asset["commit"], asset["paths"], DATASETS / name)
        msg.good(f"{name}: {asset['repo']} at {asset['commit'][:7]}")


if __name__ == "__main__":
    typer.run(main)
