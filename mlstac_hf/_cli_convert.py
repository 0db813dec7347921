"""`mlstac-hf convert`: a collection in a format of others; says which files were written.

Owns: its arguments. Leaves to others: the formats (`_convert`).
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from mlstac_hf._cli_selection import add_conditions, add_limit
from mlstac_hf._convert import FORMATS, convert
from mlstac_hf._reading import SelectionArguments
from mlstac_hf._terminal import DONE, printable


def add_to(commands: Any) -> None:
    """Its arguments.

    Args:
        commands: argparse's subparsers.
    """
    command = commands.add_parser("convert", help="write a collection in a format of others")
    command.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    command.add_argument("destination", metavar="DESTINATION", help="a folder or fsspec URL, or the one file to write")
    command.add_argument("--format", choices=FORMATS, default=next(iter(FORMATS)), help="default: %(default)s")
    command.add_argument("--split", metavar="NAME", action="append", help="once or more; default: all that are there")
    add_conditions(command)
    add_limit(command)
    command.add_argument("--skip", action="store_true", help="leave out bad samples, and say which")
    command.add_argument("--json", action="store_true", help="print the files that were written as one JSON list")
    command.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub repository")
    command.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    command.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    selection: SelectionArguments = {
        "filter": arguments.filter,
        "bbox": arguments.bbox,
        "datetime": arguments.datetime,
        "limit": arguments.limit,
    }
    written = convert(
        arguments.address,
        arguments.destination,
        arguments.format,
        split=arguments.split,
        on_error="skip" if arguments.skip else "raise",
        revision=arguments.revision,
        trust_links=arguments.trust_links,
        **selection,
    )
    files = [written] if isinstance(written, str) else written
    if arguments.json:
        print(json.dumps(files, indent=2))
    else:
        for file in files:
            print(printable(file, longest=None))
    return DONE
