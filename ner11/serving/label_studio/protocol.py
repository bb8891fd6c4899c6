"""What Label Studio sends to a backend. More than is named here is taken and ignored, so that a new version may add to it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class SetupRequest(_Request):
    """Sent when a project is connected, and before each prediction."""

    project: str | int | None = Field(None, title="Number of the project and when it was made, like 1.1795169250")
    labels: str = Field("", alias="schema", title="The labeling configuration, XML")


class PredictRequest(_Request):
    """Tasks to predict. In `params.context` stand the regions that an annotator has just drawn in the only task."""

    tasks: list[Any] = Field(title="Tasks of Label Studio")
    project: str | int | None = None
    label_config: str = Field("", title="The labeling configuration, XML")
    params: dict[str, Any] | None = None

    @property
    def drawn(self) -> list[dict[str, Any]] | None:
        """The regions that an annotator has just drawn; None if nobody draws."""
        context = (self.params or {}).get("context")
        if not isinstance(context, dict):
            return None
        regions = context.get("result")
        return [region for region in regions if isinstance(region, dict)] if isinstance(regions, list) else []


class ValidateRequest(_Request):
    """A labeling configuration to judge."""

    config: str = ""


class JobRequest(_Request):
    """A training to tell the state of."""

    job: str | int


class TrainRequest(_Request):
    """A training wished in the way of old versions."""

    project: str | int | dict[str, Any] | None = None


def project_number(project: object) -> int | None:
    """Read the number of a project from what Label Studio calls it: an object, "1.1795169250" or the number."""
    given = project.get("id") if isinstance(project, dict) else project
    digits = str(given).partition(".")[0]
    # sqlite counts in 64 bits.
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None
