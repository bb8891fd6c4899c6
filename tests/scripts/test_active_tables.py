import pytest
from active_tables import render_active


def figure(value, low, high):
    return {"value": value, "interval": [low, high]}


def row(area, **more):
    own = {"area": figure(area, area - 0.01, area + 0.01), "f1": [0.4, area]}
    own |= {"tokens": [5000.0, 20000.0], "texts": [200.0, 812.0]}
    return {**own, "select_seconds": 1.25, "spans": 900.0, "rarest": {"label": "X", "spans": 7.0}, **more}


def results(**strategies):
    whole = {"f1": 0.6, "tokens": 69000, "texts": 2734}
    pool = {"data": "toy", "strategies": strategies, "seeds": 5, "documents": 40, "whole": whole}
    settings = {"seed_texts": 200, "round_texts": 200}
    return {"settings": settings, "machine": {}, "pools": [pool], "transfers": []}


BETTER, WORSE, SAME = figure(0.02, 0.01, 0.03), figure(-0.02, -0.03, -0.01), figure(0.01, -0.01, 0.03)


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"over_random": BETTER}, "pays, length not controlled"),
        ({"over_random": BETTER, "over_matched": BETTER}, "pays"),
        ({"over_random": BETTER, "over_matched": SAME}, "pays, beyond length not shown"),
        ({"over_random": SAME, "over_matched": BETTER}, "no gain"),
        ({"over_random": WORSE}, "costs"),
    ],
)
def test_no_gain_is_called_so(more, verdict):
    page = render_active(results(random=row(0.5), margin=row(0.52, **more)))
    (line,) = (line for line in page.splitlines() if "`margin`" in line)
    assert f"| {verdict} " in line
    assert page.index("`margin`") < page.index("`random`")


def test_what_is_never_reached_is_more_than_the_curve_has():
    reach = {"value": None, "interval": [18000, None]}
    margin = row(0.5, over_random=BETTER, reach=figure(9000, 8000, 9900))
    page = render_active(results(random=row(0.5, reach=reach), margin=margin))
    assert "> 20,000 [18,000, > 20,000]" in page
    assert "9,000 [8,000, 9,900]" in page
    assert "**+2.0 [+1.0, +3.0]**" in page


def test_transfer_stands_below():
    found = results(random=row(0.5))
    strategies = {"random": {"f1": figure(0.5, 0.4, 0.6)}, "margin": {"f1": figure(0.55, 0.5, 0.6), "over_random": BETTER}}
    found["transfers"] = [{"data": "toy", "learner": "all-layers", "strategies": strategies, "seeds": 2}]
    page = render_active(found)
    assert "2 seeds." in page and "| 55.0 | **+2.0 [+1.0, +3.0]** |" in page
