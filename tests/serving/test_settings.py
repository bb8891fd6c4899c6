import pytest

from ner11.errors import Ner11Error
from ner11.serving.settings import load_settings


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("NER11_PORT", "8080", "port", 8080),
        ("NER11_MODEL", "a", "model", "a"),
        ("BASELINE_MODEL_NAME", "b", "model", "b"),
        ("LEARNING_RATE", "1e-4", "learning_rate", 1e-4),
        ("NER11_LEARNING_RATE", "1e-4", "learning_rate", 1e-4),
        ("UNCERTAINTY_THRESHOLD", "0.3", "uncertainty_threshold", 0.3),
        ("SAMPLES_PER_ITERATION", "7", "samples_per_iteration", 7),
        ("MLFLOW_TRACKING_URI", "http://mlflow", "mlflow_tracking_uri", "http://mlflow"),
        ("NER11_TOKEN", "", "token", None),
    ],
)
def test_settings_are_read_from_the_environment_under_new_and_earlier_names(monkeypatch, variable, value, field, expected):
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), field) == expected


def test_the_folder_of_the_state_has_an_earlier_name_and_the_new_one_goes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert load_settings().state == tmp_path
    monkeypatch.setenv("NER11_STATE", str(tmp_path / "new"))
    assert load_settings().state == tmp_path / "new"


def test_options_go_before_the_environment_unless_they_are_not_given(monkeypatch):
    monkeypatch.setenv("NER11_MODEL", "environment")
    monkeypatch.setenv("NER11_PORT", "1")
    settings = load_settings({"model": "option", "port": None})
    assert (settings.model, settings.port) == ("option", 1)


def test_no_file_is_read(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("NER11_PORT=1\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().port == 9090


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"NER11_PORT": "secret!"}, "NER11_PORT: Input should be a valid integer"),
        ({"LEARNING_RATE": "0"}, "LEARNING_RATE: Input should be greater than 0"),
        ({"NER11_PASSWORD": "secret!"}, "settings: basic authentication needs both NER11_USER and NER11_PASSWORD"),
    ],
)
def test_a_wrong_setting_is_one_line_that_keeps_secrets(monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Ner11Error, match=message) as error:
        load_settings()
    assert "secret!" not in str(error.value)


def test_secrets_are_not_shown():
    assert "hunter2" not in repr(load_settings({"token": "hunter2", "webhook_secret": "hunter2"}))
