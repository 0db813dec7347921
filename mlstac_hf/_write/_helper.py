"""A process that measures samples and puts files: what `_helpers` starts, with nothing but numpy in it.

Owns: orders in, answers out, each a line of JSON; and that it ends when the process that started it does. Leaves to
others: when there is one, and what lies in the memory that both share (`_helpers`).
"""

from __future__ import annotations

import json
import mmap
import os
import select
from base64 import b64decode
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from mlstac_hf._stores._whole import putting, write_all
from mlstac_hf._write._measure import measure_in
from mlstac_hf._write._packed import Passing, compress

_IN, _OUT = 0, 1
_LOOK_S = 2.0
"""How often it looks whether it was left alone, while nothing comes."""
_TELL = 2**20
"""Bytes after which it says what it has taken."""


def main(parent: int, memory: int, nbytes: int) -> None:
    """Do orders, until no more of them can come.

    Args:
        parent: the process that gives them.
        memory: descriptor of the memory that is shared with it.
        nbytes: of that memory.
    """
    shared = memoryview(mmap.mmap(memory, nbytes, prot=mmap.PROT_READ))
    os.close(memory)
    _say({})
    for line in _lines(parent):
        _say(_done(json.loads(line), shared, parent))


def _lines(parent: int) -> Iterator[bytes]:
    rest = b""
    while os.getppid() == parent:
        if select.select([_IN], [], [], _LOOK_S)[0]:
            data = os.read(_IN, 2**16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from lines


def _say(answer: dict[str, Any]) -> None:
    line = json.dumps(answer).encode() + b"\n"
    while line:
        line = line[os.write(_OUT, line) :]


def _done(order: dict[str, Any], shared: memoryview, parent: int) -> dict[str, Any]:
    """Measure what is asked for, and put a file.

    Args:
        order: its `path`, its `head`, `parts` after it, begin and length of each, whether to `compress` these, and what
            to `measure`. Where the path is empty, nothing is put.
        shared: where these lie.
        parent: without it, nobody wants the file.
    """
    measured = measure_in(shared, order["measure"]) if order["measure"] else None
    if not order["path"]:
        return {"nbytes": 0, "sha256": "", "measured": measured}
    parts: Iterable[memoryview] = [shared[begin : begin + length] for begin, length in order["parts"]]
    if len(order["parts"]) > 1:
        parts = _telling(parts, parent)
    passing = Passing(chain([b64decode(order["head"])], map(compress, parts) if order["compress"] else parts))
    try:
        with putting(order["path"]) as (handle, _):
            write_all(handle, passing)
    except OSError as error:
        return {"errno": error.errno, "error": error.strerror or str(error)}
    return {"nbytes": passing.nbytes, "sha256": passing.digest, "measured": measured}


def _telling(parts: Iterable[memoryview], parent: int) -> Iterator[memoryview]:
    """Say now and then how many were taken.

    Raises:
        ChildProcessError: there is nobody to say it to.
    """
    taken, nbytes = 0, 0
    for part in parts:
        yield part
        taken, nbytes = taken + 1, nbytes + len(part)
        if os.getppid() != parent:
            raise ChildProcessError("left alone")
        if nbytes >= _TELL:
            _say({"taken": taken})
            taken, nbytes = 0, 0
