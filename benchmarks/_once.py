"""One measured run in a process of its own, which says how long it took and how much memory. Linux only.

Nothing is imported here but what the interpreter brings, so that a run can say what it holds before anything else.
"""

from __future__ import annotations

import json
import subprocess
import sys


def memory(name):
    """`VmRSS`, what this process holds now, or `VmHWM`, the most it held; bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def tell(seconds, before, **more):
    """Say how it went; `before` is the memory that does not count."""
    print(json.dumps({"seconds": seconds, "peak": memory("VmHWM") - before, **more}))


def once(script, *arguments):
    """Run a script, which ends with `tell`."""
    run = subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])
