"""Python in a process of its own that has a local Hub for huggingface.co, a home of its own, and real clients.

The clients read HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE once, when they are imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from hub import Hub


def hub_environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    """Environment variables that make the clients talk to `hub` and to no one else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **more}


def run_with_hub(hub: Hub, home: Path, code: str, script: Path | None = None, **more: str) -> Any:
    """What the code prints last, as JSON; it runs from a file where `script` names one, as spawned workers need.

    Raises:
        AssertionError: it failed; with what it printed.
    """
    environment = hub_environment(hub, home, HF_HUB_DISABLE_PROGRESS_BARS="1", **more)
    if script is not None:
        script.write_text(dedent(code))
    command = [sys.executable, "-W", "ignore", *(["-c", dedent(code)] if script is None else [str(script)])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    return json.loads(done.stdout.splitlines()[-1])
