"""The examples run, and what they train gets better."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("script", "needs", "given"),
    [
        ("train_torch.py", ["torch"], True),
        ("train_torch.py", ["torch"], False),
        ("train_resume.py", ["torch"], True),
        ("train_keras.py", ["keras", "tensorflow"], True),
    ],
)
def test_the_loss_falls(script, needs, given, tmp_path):
    from importlib.util import find_spec

    for name in ["datasets", *needs]:
        if find_spec(name) is None:
            pytest.skip(f"needs {name}")
    finished = subprocess.run(
        [sys.executable, EXAMPLES / script, *([tmp_path / "demo"] if given else [])],
        env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "SOME TWICE" not in finished.stdout
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)", finished.stdout)]
    assert len(losses) >= 3, finished.stdout
    assert losses[-1] < 0.8 * losses[0]
    assert (tmp_path / "demo" / "main.json").is_file() == given


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"train_keras.py", "train_resume.py", "train_torch.py"}
