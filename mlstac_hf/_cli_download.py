"""`mlstac-hf download`: a collection, or a selection of it, onto this disk; says how much before it begins.

Owns: its arguments. Leaves to others: the download (`_download`), what it says of itself (`_download._result`).
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlstac_hf._download import download
from mlstac_hf._terminal import DONE, complain, printable

_OURS = ("run", "json", "address", "destination", "skip")


def add_to(commands: Any) -> None:
    """Its arguments. A token is none of them: others see the command lines of a machine.

    Args:
        commands: argparse's subparsers.
    """
    command = commands.add_parser(
        "download",
        help="copy a collection, or some of its samples, to this disk",
        epilog="Called again, it goes on where it was broken off. The token is that of HF_TOKEN or of: hf auth login",
    )
    command.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    command.add_argument("destination", metavar="FOLDER", help="empty, not there yet, or begun by the same command")
    command.add_argument("--split", metavar="NAME", action="append", help="may be given several times (default: all)")
    command.add_argument("--filter", metavar="CQL2", help='only samples that meet this, such as "cloud < 20"')
    command.add_argument("--bbox", metavar="W,S,E,N", help="only those that meet this box, in degrees")
    command.add_argument("--datetime", metavar="TIMES", help="only those in this interval, such as 2018/2020")
    command.add_argument("--limit", metavar="N", type=int, help="at most so many of each split")
    command.add_argument("--skip", action="store_true", help="leave out bad samples, and say which")
    command.add_argument("--dry-run", action="store_true", help="only say how much would come")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub repository")
    command.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    command.set_defaults(run=_download)


def _download(arguments: argparse.Namespace) -> int:
    asked = {key: value for key, value in vars(arguments).items() if key not in _OURS}
    with _told():
        result = download(
            arguments.address, arguments.destination, on_error="skip" if arguments.skip else "raise", **asked
        )
    print(json.dumps(result.to_dict(), indent=2) if arguments.json else printable(result, longest=None))
    return DONE


@contextmanager
def _told() -> Iterator[None]:
    """What the library says of its work, on the standard error stream."""
    logger, handler = logging.getLogger("mlstac_hf"), _Complaining(logging.INFO)
    level, spreads = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = spreads


class _Complaining(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())
