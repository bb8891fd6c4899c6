from training_tables import render_training


def run(system: str, seed: int, words_per_second: float, peak_mib: float, f1: float | None, source: str = "cyner") -> dict:
    figures = {"words_per_second": words_per_second, "peak_mib": peak_mib, "f1": f1, "encoder_precision": "bf16"}
    return {"source": source, "system": system, "seed": seed, **figures}


def results(*runs: dict) -> dict:
    machine = {"threads": 2, "processor": "Toy CPU", "torch": "2.0"}
    return {"machine": machine, "settings": {"encoder": "minilm", "epochs": 3, "rate": 3e-4, "limit": 0}, "runs": list(runs)}


def cells(text: str, title: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_means_ranges_and_ratios() -> None:
    text = render_training(
        results(
            run("ours", 0, 900, 1000, 0.6),
            run("ours", 1, 1100, 1200, 0.7),
            run("stock", 0, 300, 4000, 0.5),
            run("stock", 1, 500, 4800, 0.6),
            run("trainer", 0, 800, 2000, None),
            run("trainer", 1, 800, 2400, 0.6),
        )
    )
    speed, memory = ["1,000 (900–1,100)", "2.50", "1.25"], ["1,100 (1,000–1,200)", "0.25", "0.50"]
    assert cells(text, "ner11") == ["ner11", "bf16", *speed, *memory, "65.0 (60.0–70.0)"]
    assert cells(text, "`transformers.Trainer`")[-1] == "30.0 (0.0–60.0)", "a model that finds nothing has F1 0"
    assert "mean of 2 seeds" in text and "Toy CPU" in text


def test_ratios_are_of_the_seeds_that_both_have() -> None:
    text = render_training(results(run("ours", 0, 900, 10, 0.5), run("ours", 1, 100, 10, 0.5), run("stock", 0, 300, 10, 0.5)))
    assert cells(text, "ner11")[3:5] == ["3.00", "–"], "the second seed of ours has no peer, the Trainer has not run"


def test_one_table_a_data_set() -> None:
    text = render_training(results(run("ours", 0, 900, 10, 0.5), run("ours", 0, 800, 10, 0.4, source="wnut17")))
    assert [line.split("|")[1].strip() for line in text.splitlines() if "words/s |" in line] == ["cyner", "wnut17"]
    assert "mean of 1 seed " in text and "900 (" not in text
