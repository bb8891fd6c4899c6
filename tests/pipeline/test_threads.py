from threading import Thread

import numpy as np

from tests.pipeline.test_transformer import build, vectors


def test_a_prediction_is_not_disturbed_by_one_in_another_thread(toy_bert):
    nlp = build(toy_bert)
    expected = vectors(nlp("ab c d41d8"))
    layer = nlp.get_pipe("transformer").model.transformer.encoder.layer[0]

    def interrupt(*_):
        hook.remove()
        other = Thread(target=nlp, args=("another text",))
        other.start()
        other.join()

    hook = layer.register_forward_pre_hook(interrupt)
    np.testing.assert_array_equal(vectors(nlp("ab c d41d8")), expected)
