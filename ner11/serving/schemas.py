"""What `/v1` takes and gives."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from ner11.serving.entities import Answer, Entity

_EXAMPLE = "Sandworm used KillDisk against three substations in Ukraine."
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    threshold: Probability = Field(0.0, description="Least confidence of an entity.")
    thresholds: dict[str, Probability] = Field(
        {}, description="Least confidence by label, in the place of `threshold`.", examples=[{"MALWARE": 0.8}]
    )


class OneText(_Options):
    """A text."""

    text: str = Field(description="The text.", examples=[_EXAMPLE])


class ManyTexts(_Options):
    """Several texts, answered together and in order."""

    texts: list[str] = Field(description="The texts.", examples=[[_EXAMPLE, "Nothing here."]])


def _kind(given: Any) -> str:
    return "texts" if isinstance(given, dict) and "texts" in given else "text"


ExtractRequest = Annotated[
    Annotated[OneText, Tag("text")] | Annotated[ManyTexts, Tag("texts")],
    Discriminator(_kind),
]
_requests: TypeAdapter[OneText | ManyTexts] = TypeAdapter(ExtractRequest)


class _Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())  # `model_version` is no method of pydantic


class FoundEntity(_Answer):
    """An entity. Offsets count characters (Unicode code points)."""

    start: int = Field(description="First character.", ge=0)
    end: int = Field(description="One past the last character.", ge=1)
    label: str
    text: str = Field(description="What it covers.")
    confidence: Probability | None = Field(description="Probability of it; null if the model gives none.")
    path: list[str] = Field(description="Nodes of the label tree, from the tier down to the label.")


class OneAnswer(_Answer):
    """The entities of a text."""

    entities: list[FoundEntity]
    model_version: str


class TextEntities(_Answer):
    """The entities of one of several texts."""

    entities: list[FoundEntity]


class ManyAnswers(_Answer):
    """The entities of several texts, in order."""

    results: list[TextEntities]
    model_version: str


class LabelRow(_Answer):
    """A label that the model finds."""

    name: str
    definition: str | None
    path: list[str]
    threshold: Probability | None = Field(description="Confidence that the evaluation recommends to ask for; null if none.")


class VersionRow(_Answer):
    """A version of the model that can serve."""

    model_version: str
    parent: str | None
    created: str
    annotations: int = Field(description="It was retrained on so many.")
    f1: float | None
    serves: bool


class ModelAnswer(_Answer):
    """The model that answers."""

    name: str
    version: str
    model_version: str = Field(description="Changes with each retraining.")
    kind: str = Field(description="torch, onnx or triton.")
    labels: list[LabelRow]
    versions: list[VersionRow] = Field(description="The newest first.")


class Problem(_Answer):
    """Why there is no answer."""

    detail: str


def read_request(body: bytes) -> OneText | ManyTexts:
    """Read the body of a request.

    Raises:
        ValueError: If it is none; the message says in one sentence why, and quotes nothing of it.
    """
    try:
        return _requests.validate_json(body)
    except ValidationError as e:
        raise ValueError(first_problem(e.errors(include_input=False, include_url=False))) from e


def first_problem(errors: Sequence[Any]) -> str:
    """Say in one sentence what pydantic complains about first, and where; nothing that was sent is quoted."""
    place = ".".join(str(part) for part in errors[0]["loc"][1:])
    return f"{place}: {errors[0]['msg']}" if place else errors[0]["msg"]


def to_rows(entities: list[Entity], options: OneText | ManyTexts) -> list[dict[str, Any]]:
    """Give the entities whose confidence is high enough, as they are answered."""
    least, by_label = options.threshold, options.thresholds
    return [
        {
            "start": entity.start,
            "end": entity.end,
            "label": entity.label,
            "text": entity.text,
            "confidence": None if entity.confidence is None else round(entity.confidence, 4),
            "path": entity.path,
        }
        for entity in entities
        if entity.confidence is None or entity.confidence >= by_label.get(entity.label, least)
    ]


def to_answer(answer: Answer, request: OneText | ManyTexts) -> dict[str, Any]:
    """Give what is answered to a request."""
    if isinstance(request, OneText):
        return {"entities": to_rows(answer.entities[0], request), "model_version": answer.model_version}
    rows = [{"entities": to_rows(entities, request)} for entities in answer.entities]
    return {"results": rows, "model_version": answer.model_version}
