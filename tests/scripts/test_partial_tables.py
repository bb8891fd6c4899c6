from partial_tables import render_partial


def figure(value, low, high):
    return {"value": value, "interval": [low, high]}


def row(f1, **more):
    sides = {name: figure(f1, f1 - 0.02, f1 + 0.02) for name in ("precision", "recall", "f1")}
    return {**sides, "documents": 40, "f1_by_seed": [f1], "labels": {"IP": {"support": 30, "f1": f1}}, **more}


def variant(name, tests):
    experiment = name.split(":")[0] if ":" in name else "merged"
    figures = {"seed": [0], "steps": [900], "words_per_second": [2000.0], "epochs": "2", "train_texts": {"gold": 316}}
    return {"baseline": "naive", "experiment": experiment, **figures, "tests": tests}


def results(**variants):
    words = {"cyner": {"train": 69271}, "aptner": {"train": 162198}}
    return {"encoder": "assets/encoders/minilm", "machine": {}, "words": words, "variants": variants}


def test_difference_is_bold_where_its_interval_leaves_out_zero():
    clear, unclear = figure(0.03, 0.01, 0.05), figure(-0.01, -0.03, 0.01)
    page = render_partial(
        results(
            naive=variant("naive", {"cyner": row(0.6), "aptner": row(0.6)}),
            sets=variant("sets", {"cyner": row(0.59, difference=unclear), "aptner": row(0.63, difference=clear)}),
        )
    )
    assert "**+3.0 [+1.0, +5.0]**" in page
    assert "| -1.0 [-3.0, +1.0] |" in page
    assert "63.0 [61.0, 65.0]" in page and "69,271" in page


def test_only_what_was_run_is_shown():
    rare = {**figure(0.3, 0.2, 0.4), "labels": 12}
    plain = row(0.5, rare=rare, calibration={"ece": 0.041, "brier": 0.2, "spans": 900})
    page = render_partial(results(**{"gold:plain": variant("gold:plain", {"gold": plain})}))
    assert "12 labels" in page and "0.041" in page
    assert "controlled case" not in page and "Short texts" not in page
    assert render_partial(results()) == ""
