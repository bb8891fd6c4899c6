"""What `export` writes, and what it refuses; on a toy encoder."""

import json

import pytest
import spacy
from spacy.training import Example

from ner11.corpus.shards import write_docs
from ner11.files import hash_folder
from ner11.release import onnx_export, parity
from tests.pipeline.test_softmax_ner import TEXTS, TRAIN, annotate, build, make_examples, train
from tests.scripts.test_bad_input import the_line


@pytest.fixture(scope="module")
def model(toy_bert, tmp_path_factory):
    """A trained toy pipeline."""
    nlp = build(toy_bert)
    train(nlp, make_examples(nlp))
    folder = tmp_path_factory.mktemp("model") / "model-best"
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def trained(project, model):
    """A project that the trained pipeline belongs to, with test texts that it is right about."""
    (project / "training").mkdir()
    (project / "training" / "model-best").symlink_to(model)
    blank = spacy.blank("en")
    write_docs([annotate(blank(text)) for text in [*TRAIN, *TEXTS]], project / "corpus" / "merged" / "test")
    return project


def exported(project):
    return sorted(path.name for path in (project / "training" / "onnx").iterdir())


def test_both_precisions_are_written_with_their_figures(run, trained):
    done = run("export")
    assert done.exit_code == 0, done.output
    assert exported(trained) == ["fp32", "int8"]
    result = json.loads((trained / "training" / "export.json").read_text())
    assert result["model_sha256"] == hash_folder(trained / "training" / "model-best")
    for name, row in result["precisions"].items():
        folder = trained / "training" / "onnx" / name
        assert row == {"sha256": hash_folder(folder), "model_bytes": (folder / "ner" / "model.onnx").stat().st_size}
        doc = spacy.load(folder)("bb saw qq qq and zz")
        assert [(ent.text, ent.label_) for ent in doc.ents] == [("qq qq", "LOCATION"), ("zz", "PERSON")]
    assert result["fp32"]["logits"] < 1e-4
    assert result["int8"]["f1"] == result["int8"]["expected_f1"] == result["torch"]["f1"] > 0.9
    assert "int8: F1 100.0, of fp32 100.0, of torch 100.0" in done.stdout and "Wrote training/onnx/int8 (0 MiB)" in done.stdout


def test_a_precision_that_is_not_wished_does_not_stay_from_an_earlier_model(run, trained):
    assert run("export", "--quiet").stdout == ""
    assert run("export", "--precision", "int8").exit_code == 0
    assert exported(trained) == ["int8"]
    assert "int8" in json.loads((trained / "training" / "export.json").read_text())
    assert run("export", "--precision", "fp32").exit_code == 0
    assert exported(trained) == ["fp32"]
    result = json.loads((trained / "training" / "export.json").read_text())
    assert "int8" not in result and [*result["precisions"]] == ["fp32"]


@pytest.mark.parametrize(("tolerance", "said"), [("LOGIT_TOLERANCE", "the fp32 graph differs"), ("F1_TOLERANCE", "int8 loses")])
def test_an_export_that_differs_is_refused_and_the_last_one_stays(run, trained, monkeypatch, tolerance, said):
    assert run("export").exit_code == 0
    before = hash_folder(trained / "training" / "onnx"), (trained / "training" / "export.json").read_bytes()
    monkeypatch.setattr(parity, tolerance, -1.0)
    assert said in the_line(run("export"))
    assert before == (hash_folder(trained / "training" / "onnx"), (trained / "training" / "export.json").read_bytes())
    assert not list((trained / "training").glob(".*"))


def test_a_full_disk_is_one_line_and_the_last_export_stays(run, trained, monkeypatch):
    assert run("export", "--precision", "fp32").exit_code == 0
    before = hash_folder(trained / "training" / "onnx")

    def fill_the_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_export, "quantize", fill_the_disk)
    assert "No space left on device. The last good output is untouched" in the_line(run("export"))
    assert hash_folder(trained / "training" / "onnx") == before


def test_a_model_with_another_head_is_refused(run, trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner").add_label("PERSON")
    nlp.initialize(lambda: [Example(nlp.make_doc("zz"), annotate(nlp.make_doc("zz")))])
    (trained / "training" / "model-best").unlink()
    nlp.to_disk(trained / "training" / "model-best")
    assert "export: spaCy's transition head cannot be exported. Train with --vars.head softmax." in the_line(run("export"))
    assert not (trained / "training" / "onnx").exists()


def test_what_is_missing_is_one_line(run, trained):
    assert "precision: 'fp16' is no precision. Choose from int8, fp32 and both." in the_line(run("export", "--precision", "fp16"))
    (trained / "corpus" / "merged" / "test").rename(trained / "corpus" / "elsewhere")
    assert "corpus/merged/test: no test texts to compare on. Run" in the_line(run("export"))
    (trained / "training" / "model-best").unlink()
    assert "no trained model. Run 'spacy project run train' first" in the_line(run("export"))
