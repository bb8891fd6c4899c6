import re

from evaluation_tables import render_evaluation


def run(predict: float, evaluate: float) -> dict:
    return {"predict": {"seconds": predict, "peak_mib": 1000}, "evaluate": {"seconds": evaluate, "peak_mib": 1200.4}}


def test_means_of_time_and_memory_stand_beside_the_ratio() -> None:
    size = {"texts": 10000, "words": 290000, "runs": [run(200, 230), run(210, 250)], "ratios": [1.15, 1.19], "ratio": 1.17}
    machine = {"processor": "Toy CPU", "threads": 2, "versions": {"torch": "2.0"}}
    text = render_evaluation({"machine": machine, "sizes": [size]})
    assert re.search(r"\| +10,000 \| +290,000 \| +205 s \| +240 s \| +1\.17 \| +1,000 MiB \| +1,200 MiB \|", text)
    assert "means of 2 paired rounds" in text and "Toy CPU, threads: 2" in text
