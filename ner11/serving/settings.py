"""The settings of the server, from the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ner11.errors import Ner11Error

PREFIX = "NER11_"
_MIB = 2**20


def _also(name: str, earlier: str) -> AliasChoices:
    """Name a setting in the environment, and what it was called in earlier systems."""
    return AliasChoices(f"{PREFIX}{name.upper()}", earlier)


class Settings(BaseSettings):
    """The settings of the server: `NER11_PORT` and so on in the environment. An empty variable counts as none."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", populate_by_name=True, protected_namespaces=()
    )

    model: str = Field(
        "training/model-best",
        validation_alias=_also("model", "BASELINE_MODEL_NAME"),
        title="Folder of a pipeline, installed package, or http://HOST:PORT/MODEL of a Triton",
    )
    domain: str = Field("cyber", title="A folder in configs/domains, for the label tree")
    state: Path = Field(
        Path("training/serving"),
        validation_alias=_also("state", "MODEL_DIR"),
        title="Folder of the annotations, the queue of trainings and the retrained versions",
    )
    host: str = Field("127.0.0.1", title="Address to listen on")
    port: int = Field(9090, ge=0, le=65535, title="Port to listen on; 0 takes a free one")
    token: SecretStr | None = Field(None, title="What clients send as bearer token")
    user: str | None = Field(None, title="User for basic authentication")
    password: SecretStr | None = Field(None, title="Password for basic authentication")
    public: bool = Field(False, title="Serve without a password on an address that others reach")
    webhook_secret: SecretStr | None = Field(None, title="What opens the routes of Label Studio as part of their address")
    threads: int = Field(0, ge=0, title="Threads that the model computes with; 0 for as many as there are cores")
    max_text: int = Field(1_000_000, ge=1, title="Most characters of a text")
    max_texts: int = Field(1_000, ge=1, title="Most texts of a request")
    max_body: int = Field(64 * _MIB, ge=1, title="Most bytes of a request")
    max_waiting: int = Field(20_000, ge=1, title="Texts that may wait before requests are answered with 429")
    log_texts: bool = Field(False, title="Write texts into the log")
    label_studio_url: str | None = Field(None, title="Address of Label Studio")
    label_studio_token: SecretStr | None = Field(None, title="Personal access token of Label Studio")
    retrain_after: int = Field(0, ge=0, title="New annotations that start a training; 0 for only the button")
    datasets: str = Field("gold", title="Data sets that a retraining reads beside the annotated texts")
    gates: str = Field("serving", title="A file in configs/gates that a retrained model must pass")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, validation_alias=_also("learning_rate", "LEARNING_RATE"), title="Of a retraining; as configured if not given"
    )
    epochs: str = Field("auto", title="Of a retraining")
    uncertainty_threshold: float = Field(
        0.0, ge=0, le=1, validation_alias=_also("uncertainty_threshold", "UNCERTAINTY_THRESHOLD"), title="Least uncertainty"
    )
    samples_per_iteration: int = Field(
        500, ge=1, validation_alias=_also("samples_per_iteration", "SAMPLES_PER_ITERATION"), title="Tasks of a selection"
    )
    mlflow_tracking_uri: str | None = Field(
        None, validation_alias=_also("mlflow_tracking_uri", "MLFLOW_TRACKING_URI"), title="Where trainings are tracked"
    )

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("basic authentication needs both NER11_USER and NER11_PASSWORD")
        return self

    @property
    def guarded(self) -> bool:
        """Whether clients must say who they are."""
        return self.token is not None or self.password is not None


def load_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings.

    Args:
        given: Settings that replace those of the environment; None counts as not given.

    Raises:
        Ner11Error: If one cannot be used; its value, which may be a secret, is not told.
    """
    try:
        return Settings(**{name: value for name, value in (given or {}).items() if value is not None})
    except ValidationError as e:
        first = e.errors(include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        where = (name if name.isupper() else f"{PREFIX}{name.upper()}") if name else "settings"
        raise Ner11Error(first["msg"].removeprefix("Value error, "), where=where, fix="Correct this setting") from e
