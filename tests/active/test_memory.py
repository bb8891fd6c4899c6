import subprocess
import sys

import pytest

RUN = """
import resource
from collections.abc import Iterator
from ner11.active.pool import PoolText
from ner11.active.candidates import Wishes
from ner11.active.selection import select
from ner11.active.strategies import find_strategy
from tests.active.conftest import StubModel

def texts() -> Iterator[PoolText]:
    for i in range(1_000_000):
        yield PoolText(f"w{51 + i % 49} in text {i} of a pool that has a million of them")

wishes = Wishes(find_strategy("total-entropy"), 500)
found = select(texts(), StubModel(), wishes, annotated=["a text"] * 1000)
print(found.read, len(found.chosen), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_million_texts_stay_within_two_gigabytes():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read, chosen, mib = map(int, done.stdout.split())
    assert read == 1_000_000
    assert chosen > 0  # they differ in numbers only: nearly the same
    assert mib < 2048
    print(f"{mib} MiB")
