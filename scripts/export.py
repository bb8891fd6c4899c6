"""Export the trained pipeline to ones that need no torch, and check that they say the same."""

from common import ROOT, Quiet, command

# isort: split
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, get_args

import spacy
import typer
from spacy.language import Language
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.shards import list_shards, read_docs
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.evaluation.texts import TestText, predict
from ner11.files import clear, hash_folder, replaced_dir, write_json
from ner11.pipeline.onnx_ner import MODEL
from ner11.release.exportable import UnsupportedError, find_encoder, find_head
from ner11.release.onnx_export import COMPONENT, GraphPrecision, build_onnx_pipeline, export_onnx
from ner11.release.parity import check_fp32, check_int8, compare_predictions

TRAINING = ROOT / "training"
TEST = ROOT / "corpus" / "merged" / "test"
COMPARED_TEXTS = 200
"""Test texts whose logits are compared, token by token."""
ODD_TEXTS = ["", " \n\t ", "🙂", "a", "CVE-2021-44228 " * 200, "0123456789abcdef" * 100]
BOTH = "both"


def _export(nlp: Language, folder: Path, precision: GraphPrecision) -> Language:
    """Write a pipeline that needs no torch into a folder."""
    component = export_onnx(nlp, folder.with_name(f"{folder.name}-component"), precision=precision)
    pipeline = build_onnx_pipeline(nlp, component)
    clear(component)
    pipeline.to_disk(folder)
    return pipeline


@command
def main(
    precision: Annotated[str, typer.Option(help="Of the graph: int8, fp32 or both.")] = BOTH,
    skip_unsupported: Annotated[bool, typer.Option(help="Say so and end well if the pipeline cannot be exported.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write training/onnx/<precision>/ and training/export.json, or fail and leave the last ones."""
    msg = Printer(no_print=quiet)
    known: tuple[GraphPrecision, ...] = get_args(GraphPrecision)
    if precision not in (*known, BOTH):
        raise Ner11Error(f"'{precision}' is no precision", where="precision", fix="Choose from int8, fp32 and both")
    model = TRAINING / "model-best"
    if not model.is_dir():
        raise Ner11Error("no trained model", where=model, fix="Run 'spacy project run train' first")
    if not list_shards(TEST):
        raise Ner11Error("no test texts to compare on", where=TEST, fix="Run 'spacy project run merge' first")
    started = perf_counter()
    nlp = spacy.load(model)
    try:
        find_head(nlp), find_encoder(nlp)
    except UnsupportedError as e:
        if not skip_unsupported:
            raise
        with replaced_dir(TRAINING / "onnx"):
            pass
        write_json(TRAINING / "export.json", {"model_sha256": hash_folder(model), "precisions": {}, "unsupported": e.what})
        msg.warn(f"No package without torch: {e.what}")
        return

    def run(pipeline: Language, title: str) -> list[TestText]:
        docs = tqdm(read_docs(TEST, nlp.vocab), desc=f"Test texts, {title}", disable=True if quiet else None, leave=False)
        return predict(pipeline, docs)

    wanted = known if precision == BOTH else (precision,)
    result: dict[str, Any] = {"model_sha256": hash_folder(model), "precisions": {}}
    with replaced_dir(TRAINING / "onnx") as partial:
        msg.info("Exporting fp32, which int8 is made from and measured against")
        fp32 = _export(nlp, partial / "fp32", "fp32")
        texts = [doc.text for doc in islice(read_docs(TEST, nlp.vocab), COMPARED_TEXTS)]
        result["fp32"] = check_fp32(nlp, fp32, [*texts, *ODD_TEXTS])
        expected = run(fp32, "fp32")
        result["torch"] = compare_predictions(expected, run(nlp, "torch"))
        if "int8" in wanted:
            msg.info("Exporting int8")
            result["int8"] = check_int8(expected, run(_export(nlp, partial / "int8", "int8"), "int8"))
        if "fp32" not in wanted:
            clear(partial / "fp32")
        for name in wanted:
            size = (partial / name / COMPONENT / MODEL).stat().st_size
            result["precisions"][name] = {"sha256": hash_folder(partial / name), "model_bytes": size}
    write_json(TRAINING / "export.json", {**result, "seconds": perf_counter() - started})

    told = result["fp32"]
    msg.text(
        f"fp32: no other entity than torch in {told['texts']} texts, logits differ by {told['logits']:.0e} at most, confidences "
        f"by {told['confidence']:.0e}"
    )
    if "int8" in result:
        told = result["int8"]
        msg.text(
            f"int8: F1 {percent(told['f1'])}, of fp32 {percent(told['expected_f1'])}, of torch {percent(result['torch']['f1'])}; "
            f"confidences differ by {told['mean_confidence']:.3f} on average"
        )
    for name in wanted:
        msg.good(f"Wrote training/onnx/{name} ({result['precisions'][name]['model_bytes'] / 2**20:.0f} MiB)")


if __name__ == "__main__":
    typer.run(main)
