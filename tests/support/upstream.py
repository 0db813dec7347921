"""The real mlstac packages, each in an environment of its own, run as scripts beside them.

`MLSTAC_UPSTREAM` says where the environments are, such as `.envs/upstream-{}/bin/python`; `make` sets it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from required import require

SCRIPTS = Path(__file__).parents[1] / "interchange" / "scripts"
SAMPLES = ("0.0.12", "0.0.23")
"""Versions of the sample layout."""
CONTAINERS = "0.1.8"


def run_upstream(version: str, script: str, home: Path, *arguments: object) -> None:
    """Run one of `SCRIPTS` beside a version; skips the test where that is not installed.

    Args:
        version: of mlstac.
        script: name of the script.
        home: a folder in which it may leave what it likes.
        arguments: of the script.
    """
    pattern = os.environ.get("MLSTAC_UPSTREAM", "")
    python = Path(pattern.format(version))
    require(
        pattern and python.is_file(),
        f"needs mlstac {version} in an environment of its own: make upstream builds it, and MLSTAC_UPSTREAM says where",
    )
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [python, SCRIPTS / script, *map(str, arguments)],
        env={"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
