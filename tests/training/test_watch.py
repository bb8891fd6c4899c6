import pytest

from ner11.errors import CollapseError, Ner11Error
from ner11.training.watch import STOP_AFTER, WARN_AFTER, CollapseWatch


def look_at(ratios, warmup_steps=100, every=50):
    """Give what the watch says at evaluations every 50 steps."""
    watch = CollapseWatch(warmup_steps=warmup_steps)
    return [watch.look(step=every * i, ratio=ratio) for i, ratio in enumerate(ratios)]


@pytest.mark.parametrize(
    "ratios",
    [
        [1.3, 0.09, 0.71, 0.42, 0.68],  # a healthy run with 68 labels
        [9.0, 0.0, 0.0, 0.0, 0.3, 0.8],  # nothing until shortly after warm-up
        [0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.5],
        [None] * 20,
    ],
)
def test_a_slow_start_is_no_collapse(ratios):
    assert not any(look_at(ratios))


def test_warns_once_with_causes_and_settings():
    said = look_at([0.0] * (3 + STOP_AFTER - 1))
    (warning,) = filter(None, said)
    assert said.index(warning) == 2 + WARN_AFTER
    assert warning.index("initial_rate") < warning.index("--vars.epochs") < warning.index("head_multiplier")


def test_stops_when_it_stays_there():
    with pytest.raises(CollapseError, match=r"predicted nothing in 5 evaluations after warm-up \(step 350") as error:
        look_at([0.0] * 20)
    assert isinstance(error.value, Ner11Error) and error.value.exit_code == 3


def test_a_model_that_finds_something_begins_anew():
    look_at([0.0, 0.0, 0.0, *[0.0] * (STOP_AFTER - 1), 0.5, *[0.0] * (STOP_AFTER - 1)])


def test_warns_once_of_far_too_many():
    said = look_at([50.0, 50.0, 50.0, 6.0, 7.0])
    assert [bool(text) for text in said] == [False, False, False, True, False]
    assert "predicts 6.0 times as many entities as there are" in said[3]


def test_a_command_ends_with_the_code_of_its_error():
    from common import command

    @command
    def main() -> None:
        raise CollapseError("nothing")

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
