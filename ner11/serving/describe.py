"""What the server says of itself: its model, its description as OpenAPI, its page."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ner11.serving.entities import label_paths
from ner11.serving.schemas import ManyTexts, OneText
from ner11.serving.served import NotReadyError
from ner11.serving.services import Services


def describe_model(services: Services) -> dict[str, Any]:
    """Give what `/v1/model` answers."""
    runtime, version = services.served.now
    said = runtime.meta.get("ner11", {})
    definitions, thresholds = said.get("label_scheme", {}), said.get("thresholds") or {}
    paths, tree = label_paths(runtime.labels, services.schema), services.schema
    history = services.versions.history() if services.versions else []
    return {
        "name": runtime.name,
        "version": runtime.version,
        "model_version": version,
        "kind": runtime.kind,
        "labels": [
            {
                "name": label,
                "definition": tree.node(label).definition if tree and label in tree else definitions.get(label),
                "path": paths[label],
                "threshold": thresholds.get(label),
            }
            for label in runtime.labels
        ],
        "versions": [
            {
                "model_version": row.id,
                "parent": row.parent,
                "created": row.created,
                "annotations": row.annotations,
                "f1": row.f1,
                "serves": row.id == version,
            }
            for row in history
        ],
    }


@cache
def read_page() -> tuple[str, str]:
    """Give the page, and the policy by which a browser runs nothing but its own script and style."""
    folder = files("ner11.serving") / "templates"
    script, style = ((folder / name).read_text(encoding="utf8") for name in ("page.js", "page.css"))
    hashes = [b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style)]
    page = (folder / "page.html").read_text(encoding="utf8").replace("/*style*/", style).replace("/*script*/", script)
    own = f"script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; connect-src 'self'; img-src data:"
    return page, f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _body(labels: Sequence[str], *, max_text: int, max_texts: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the body of `/v1/extract` and the schemas that it refers to, with the limits and labels of this server."""
    schemas = {model.__name__: model.model_json_schema() for model in (OneText, ManyTexts)}
    schemas["OneText"]["properties"]["text"]["maxLength"] = max_text
    schemas["ManyTexts"]["properties"]["texts"] |= {"maxItems": max_texts}
    schemas["ManyTexts"]["properties"]["texts"]["items"]["maxLength"] = max_text
    if labels:
        for schema in schemas.values():
            schema["properties"]["thresholds"]["propertyNames"] = {"enum": [*labels]}
    references = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    examples = {
        "one": {"summary": "A text", "value": {"text": schemas["OneText"]["properties"]["text"]["examples"][0]}},
        "many": {
            "summary": "Several texts, only what is certain",
            "value": {"texts": schemas["ManyTexts"]["properties"]["texts"]["examples"][0], "threshold": 0.8},
        },
    }
    return {"required": True, "content": {"application/json": {"schema": {"oneOf": references}, "examples": examples}}}, schemas


def describe_api(app: FastAPI, services: Services) -> dict[str, Any]:
    """Give the OpenAPI description: with the limits of this server, and the labels of the model that answers."""
    settings = services.settings
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=app.openapi_tags)
    try:
        labels = services.served.runtime.labels
    except NotReadyError:
        labels = ()
    body, schemas = _body(labels, max_text=settings.max_text, max_texts=settings.max_texts)
    document["paths"]["/v1/extract"]["post"]["requestBody"] = body
    document["components"]["schemas"] |= schemas
    return document
