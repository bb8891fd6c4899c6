"""Triton's Python backend: texts in, entities out. It lies in a version's folder, beside the package that it serves."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

FOLDER = Path(__file__).parent.resolve()
if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))


def _encoded(values: list[Any]) -> np.ndarray:
    rows = [json.dumps(value, ensure_ascii=False).encode() if value is not None else b"" for value in values]
    return np.array(rows, dtype=np.object_).reshape(-1, 1)


class TritonPythonModel:
    """The class that the backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the pipeline and refuse to serve another one than the contract is about."""
        contract = json.loads((FOLDER / "contract.json").read_text(encoding="utf8"))
        self.nlp = importlib.import_module(contract["name"]).load()
        ner: Any = self.nlp.get_pipe("ner")
        threads = json.loads(args["model_config"]).get("parameters", {}).get("threads", {}).get("string_value", "")
        if not threads.isdecimal():
            raise pb_utils.TritonModelException(f"config.pbtxt: the parameter threads is '{threads}'; give 0 or a number above")
        ner.threads = int(threads)
        self.nlp("Ready?")  # the session of ONNX Runtime is made with the first text
        self.model = {
            "name": f"{self.nlp.lang}_{self.nlp.meta['name']}",
            "version": self.nlp.meta["version"],
            "precision": ner.cfg["precision"],
            "scheme": ner.tags.name,
            "labels": list(ner.labels),
            "logits": len(ner.tags),
        }
        for key, promised in (("labels", contract["labels"]), ("logits", len(contract["tags"]))):
            if self.model[key] != promised:
                raise pb_utils.TritonModelException(f"the pipeline has {self.model[key]} {key}, its contract says {promised}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests; the texts of all of them are one batch."""
        read = [self._read(request) for request in requests]
        with self.nlp.memory_zone():  # else every hash and URL that clients ever sent stays in the vocabulary
            docs = self.nlp.pipe(text for texts in read if isinstance(texts, list) for text in texts)
            return [self._answer(texts, docs) if isinstance(texts, list) else texts for texts in read]

    def _read(self, request: Any) -> Any:
        """Give the texts of a request, or the answer to one that cannot be read, so that it fails alone."""
        rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        try:
            texts = [row.decode() for row in rows]
        except UnicodeDecodeError as e:
            return self._refusal(f"a text is not UTF-8 ({e})")
        longest = max(map(len, texts), default=0)
        if longest > self.nlp.max_length:
            return self._refusal(f"a text has {longest} characters, and {self.nlp.max_length} is the most; send it in parts")
        return texts

    def _refusal(self, why: str) -> Any:
        return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(why))

    def _answer(self, texts: list[str], docs: Any) -> Any:
        entities = [
            [
                {
                    "start": entity.start_char,
                    "end": entity.end_char,
                    "label": entity.label_,
                    "text": entity.text,
                    "confidence": round(entity._.confidence, 6),
                }
                for entity in next(docs).ents
            ]
            for _ in texts
        ]
        model = [self.model, *[None] * (len(texts) - 1)] if texts else []
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor("ENTITIES", _encoded(entities)), pb_utils.Tensor("MODEL", _encoded(model))]
        )
