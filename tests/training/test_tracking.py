import json
import sys

import pytest

from ner11.errors import Ner11Error
from ner11.training.tracking import RUN_FILE, flatten, log_report, tracked

CONFIG = """
[system]
seed = 3

[components]

[components.ner]
factory = "softmax_ner"

[components.ner.loss]
@losses = "ner11.AllowedSetLoss.v1"

[corpora]

[training]
seed = ${system.seed}

[training.logger]
@loggers = "ner11.TrainingLogger.v1"
"""
ROW = {
    "step": 20,
    "score": 0.5,
    "losses": {"ner": 1.5},
    "group_losses": {"A|B": 2.0},
    "gradient_norm": None,
    "seconds": 3,
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "config.cfg").write_text(CONFIG)
    (tmp_path / "choices.json").write_text('[{"setting": "batch", "value": "256 pieces", "reason": "CPU"}]')
    return tmp_path / "config.cfg"


def test_no_tracking_forgets_the_run_of_the_model_before(config, tmp_path):
    (tmp_path / RUN_FILE).write_text("{}")
    with tracked(tmp_path, track="none", config=config) as run:
        assert run is None
    assert not (tmp_path / RUN_FILE).exists()


def test_a_training_that_was_not_tracked_gets_no_report(tmp_path):
    assert log_report(tmp_path) is None


def test_an_unknown_tracker(config, tmp_path):
    with (
        pytest.raises(Ner11Error, match=r"track: 'wandb' is unknown\. Choose none or mlflow"),
        tracked(tmp_path, track="wandb", config=config),
    ):
        pass


def test_the_missing_extra_is_one_line(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with (
        pytest.raises(Ner11Error, match=r"MLflow is not installed\. Run pip install -e '\.\[mlflow\]'"),
        tracked(tmp_path, track="mlflow", config=config),
    ):
        pass


def test_flattens_a_configuration():
    assert flatten({"a": {"@losses": "x.v1", "b": {"c": 1}}, "d": None}) == {"a.losses": "x.v1", "a.b.c": "1", "d": "None"}


class TestWithMlflow:
    """Only where the extra is installed: the tested lock leaves it out."""

    @pytest.fixture
    def client(self, tmp_path):
        pytest.importorskip("mlflow")
        from mlflow import MlflowClient

        return lambda: MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")

    def artifacts(self, client, run, path=None):
        return sorted(file.path for file in client.list_artifacts(run.info.run_id, path))

    def test_a_training_and_its_report_are_one_run(self, config, tmp_path, client):
        with tracked(tmp_path, track="mlflow", config=config) as run:
            run.log({**ROW, "step": 0, "score": 0.1})
            run.log(ROW)
        (tmp_path / "metrics.json").write_text(json.dumps({"overall": {"micro": {"f1": 0.25, "support": 4, "none": None}}}))
        (tmp_path / "report").mkdir()
        (tmp_path / "report/index.html").write_text("report")
        assert log_report(tmp_path) == run.id
        stored = client().get_run(run.id)
        assert stored.info.status == "FINISHED"
        assert [(point.step, point.value) for point in client().get_metric_history(run.id, "score")] == [(0, 0.1), (20, 0.5)]
        assert stored.data.metrics["losses/ner"] == 1.5 and stored.data.metrics["group_losses/A or B"] == 2.0
        assert stored.data.metrics["test/f1"] == 0.25
        assert "gradient_norm" not in stored.data.metrics
        assert stored.data.params == {
            "system.seed": "3",
            "training.seed": "3",
            "components.ner.factory": "softmax_ner",
            "components.ner.loss.losses": "ner11.AllowedSetLoss.v1",
            "choice.batch": "256 pieces",
        }
        assert self.artifacts(client(), stored) == ["config.cfg", "metrics.json", "report"]
        assert self.artifacts(client(), stored, "report") == ["report/index.html"]
        assert (tmp_path / "mlflow").is_dir()

    @pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
    def test_a_failed_training_is_no_run_of_the_model(self, config, tmp_path, client, error, status):
        with pytest.raises(error), tracked(tmp_path, track="mlflow", config=config) as run:
            raise error
        assert client().get_run(run.id).info.status == status
        assert not (tmp_path / RUN_FILE).exists()

    def test_a_store_that_breaks_does_not_stop_the_training(self, config, tmp_path, client):
        with tracked(tmp_path, track="mlflow", config=config) as run:
            client().delete_run(run.id)
            run.log(ROW)
            run.log(ROW)
        assert run.failure

    def test_a_store_that_cannot_be_used_is_one_line(self, config, tmp_path, client, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://at-all")
        with (
            pytest.raises(Ner11Error, match=r"nowhere://at-all: cannot be used.*--vars\.track none"),
            tracked(tmp_path, track="mlflow", config=config),
        ):
            pass
