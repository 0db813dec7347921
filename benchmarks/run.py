"""Run every benchmark on data made now; the results go to `benchmarks/results/`. Takes about ten minutes.

Conversion and writing run twice where there is a file system in memory: on disk, where its own speed may be the limit,
and in memory, where ours is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")


def run(script, *arguments):
    subprocess.run([sys.executable, str(Path(__file__).parent / script), *arguments], check=True)


with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    run("read.py", folder)
    run("feeds.py", folder)
    run("convert.py", folder, "convert")
with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    run("write.py", folder, "write")
with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    run("push.py", folder)
with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    run("over_http.py", folder)
with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-") as folder:
    run("first_sample.py", folder)
if MEMORY.is_dir():
    with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-", dir=MEMORY) as folder:
        run("convert.py", folder, "convert in memory")
    with tempfile.TemporaryDirectory(prefix="mlstac-hf-benchmark-", dir=MEMORY) as folder:
        run("write.py", folder, "write in memory")
