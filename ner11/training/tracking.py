"""Experiment tracking with MLflow: figures by step, settings, configuration, and later the report, as one run per training."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

from spacy.util import load_config

from ner11.errors import Ner11Error
from ner11.files import read_json, write_json

NONE, MLFLOW = "none", "mlflow"
RUN_FILE = "mlflow.json"
"""In the training folder: which run the trained model comes from."""
EXPERIMENT = "ner11"
_MOST_PARAMETERS, _LONGEST_VALUE = 100, 500
_SECTIONS = ("system", "components", "corpora", "training")


def _connect(uri: str) -> Any:
    """Connect to a tracking server or store.

    Raises:
        Ner11Error: If MLflow is not installed, or the store cannot be used.
    """
    # Read at import. Nothing is told to others, and nothing printed about the tables of a new database.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        from mlflow import MlflowClient
    except ImportError as e:
        raise Ner11Error(
            "MLflow is not installed", where="track", fix="Run pip install -e '.[mlflow]' -c requirements.txt"
        ) from e
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(uri)
        client.get_experiment_by_name(EXPERIMENT)
    except (MlflowException, ModuleNotFoundError) as e:
        reason = " ".join(str(e).split())[:200]
        raise Ner11Error(
            f"cannot be used ({reason})", where=uri, fix="Check MLFLOW_TRACKING_URI, or use --vars.track none"
        ) from e
    return client


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Write a configuration as one level of dotted keys, registered functions without their @."""
    flat: dict[str, str] = {}
    for key, value in section.items():
        name = f"{prefix}{key.removeprefix('@')}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: str(value)})
    return flat


@contextmanager
def _one_line(uri: str) -> Iterator[None]:
    """Turn what the tracking server or store complains about into one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as e:
        reason = " ".join(str(e).split())[:200]
        raise Ner11Error(
            f"could not be written to ({reason})", where=uri, fix="Check the tracking server, or use --vars.track none"
        ) from e


class MlflowRun:
    """A run under way.

    Attributes:
        failure: Why logging stopped, if it did: training goes on without.
    """

    def __init__(self, training: Path) -> None:
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(training / 'mlflow.db').resolve().as_posix()}"
        self.failure: str | None = None
        self._client = _connect(self.uri)
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        # A server knows where its artifacts go; beside a file, they would go into the current folder.
        place = None if "MLFLOW_TRACKING_URI" in os.environ else (training / "mlflow").resolve().as_uri()
        number = experiment.experiment_id if experiment else self._client.create_experiment(EXPERIMENT, artifact_location=place)
        self.id: str = self._client.create_run(number).info.run_id

    def log_settings(self, config: Path, choices: Path) -> None:
        """Log the configuration, whole as an artifact and flat as parameters, and what `configure` chose."""
        from mlflow.entities import Param

        settings = load_config(config).interpolate()
        del settings["training"]["logger"]  # how it is logged is no setting of the model
        flat = flatten({section: settings[section] for section in _SECTIONS})
        if choices.is_file():
            flat |= {f"choice.{choice['setting']}": choice["value"] for choice in read_json(choices)}
        parameters = [Param(name, value[:_LONGEST_VALUE]) for name, value in flat.items()]
        with _one_line(self.uri):
            for start in range(0, len(parameters), _MOST_PARAMETERS):
                self._client.log_batch(self.id, params=parameters[start : start + _MOST_PARAMETERS])
            self._client.log_artifact(self.id, str(config))

    def log(self, row: Mapping[str, Any]) -> None:
        """Log one row of the training log; every number in it is a metric of its step."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        if self.failure:
            return
        now = int(1000 * time())
        metrics = [Metric(name, value, now, row["step"]) for name, value in _numbers(row)]
        try:
            self._client.log_batch(self.id, metrics=metrics)
        except MlflowException as e:
            self.failure = " ".join(str(e).split())[:200]

    def end(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_terminated(self.id, status)
        except MlflowException as e:
            self.failure = " ".join(str(e).split())[:200]


def _numbers(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            # Names of ambiguous classes have a bar in them, which MLflow refuses.
            yield f"{prefix}{name}".replace("|", " or "), float(value)


@contextmanager
def tracked(training: Path, *, track: str, config: Path) -> Iterator[MlflowRun | None]:
    """Track what happens in the block as one run.

    Args:
        training: The training folder. The store is `mlflow.db` and `mlflow/` in it, unless MLFLOW_TRACKING_URI names another.
        track: "none" or "mlflow".
        config: The training configuration; `choices.json` lies beside it.

    Yields:
        The run, None if there is none. When the block ends without an error, the run is noted in `mlflow.json`.

    Raises:
        Ner11Error: If `track` is neither, MLflow is not installed, or its store cannot be used.
    """
    if track not in (NONE, MLFLOW):
        raise Ner11Error(f"'{track}' is unknown", where="track", fix=f"Choose {NONE} or {MLFLOW}")
    run = MlflowRun(training) if track == MLFLOW else None
    try:
        if run:
            run.log_settings(config, config.with_name("choices.json"))
        yield run
    except BaseException as e:
        if run:
            run.end("KILLED" if isinstance(e, KeyboardInterrupt) else "FAILED")
        raise
    if run:
        run.end("FINISHED")
        write_json(training / RUN_FILE, {"run_id": run.id, "tracking_uri": run.uri})
    else:
        (training / RUN_FILE).unlink(missing_ok=True)


def log_report(training: Path) -> str | None:
    """Add the report and the test scores to the run that the trained model comes from.

    Args:
        training: The training folder, with `metrics.json` and `report/`.

    Returns:
        Id of the run; None if the training was not tracked.

    Raises:
        Ner11Error: If MLflow is not installed any more, or its store cannot be used.
    """
    note = training / RUN_FILE
    if not note.is_file():
        return None
    run = read_json(note)
    client = _connect(run["tracking_uri"])
    with _one_line(run["tracking_uri"]):
        for name, value in _numbers(read_json(training / "metrics.json")["overall"]["micro"]):
            client.log_metric(run["run_id"], f"test/{name}", value)
        client.log_artifact(run["run_id"], str(training / "metrics.json"))
        client.log_artifacts(run["run_id"], str(training / "report"), artifact_path="report")
    return str(run["run_id"])
