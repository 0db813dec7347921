"""Run every benchmark on data made now; the results go to `benchmarks/results/`. Takes about three minutes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    for script in ("read.py", "convert.py"):
        subprocess.run([sys.executable, str(Path(__file__).parent / script), folder], check=True)
