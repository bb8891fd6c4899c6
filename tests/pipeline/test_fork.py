import multiprocessing
import subprocess
import sys

import pytest

RUN = """
import multiprocessing, torch
import ner11.pipeline.fork
torch.set_num_threads(2)
many = torch.ones(4_000_000)
many.exp()
child = multiprocessing.get_context("fork").Process(target=many.exp)
child.start()
child.join(20)
print(child.exitcode)
child.kill()
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_process_uses_torch_after_its_parent_has():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0"], done.stderr
