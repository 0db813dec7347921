"""One measured run in a process of its own, which says how long it took and how much memory. Linux only.

Nothing is imported here but what the interpreter brings, so that a run can say what it holds before anything else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def memory(name):
    """`VmRSS`, what this process holds now, or `VmHWM`, the most it held; bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def memory_of_children():
    """What the processes that this one started hold now, beside the memory they share with it; bytes.

    Of the files that both have mapped, such as libraries, it counts their part, though this one counts all of them.
    """
    held = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as file:
            pids = file.read().split()
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                lines = [line for line in file if line.startswith(("Pss_Anon", "Pss_File"))]
            held += sum(int(line.split()[1]) * 1024 for line in lines)
    return held


def tell(seconds, before, children=0, **more):
    """Say how it went; `before` is the memory that does not count, `children` that of other processes, which does."""
    print(json.dumps({"seconds": seconds, "peak": memory("VmHWM") - before + children, **more}))


def once(script, *arguments):
    """Run a script, which ends with `tell`."""
    run = subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])
