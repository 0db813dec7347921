"""`mlstac-hf validate`: what is wrong with a collection, as a page of text or as JSON.

Owns: its arguments and exit codes. Leaves to others: the findings (`_validate`).
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from mlstac_hf._terminal import BAD_CALL, BAD_DATA, DONE, STORE_FAILED, printable
from mlstac_hf._validate import Report, validate

_ENDS = {"E103": STORE_FAILED, "E101": BAD_CALL, "E104": BAD_CALL}
"""Codes of errors that say nothing bad of the data, where no others are there."""


def add_to(commands: Any) -> None:
    """Its arguments.

    Args:
        commands: argparse's subparsers.
    """
    command = commands.add_parser("validate", help="say what is wrong with a collection, and where")
    command.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    command.add_argument("--deep", action="store_true", help="read the pixels too: checksums, labels, doubles")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub repository")
    command.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    command.set_defaults(run=_validate)


def _validate(arguments: argparse.Namespace) -> int:
    report = validate(arguments.address, arguments.deep, revision=arguments.revision, trust_links=arguments.trust_links)
    print(json.dumps(report.to_dict(), indent=2) if arguments.json else printable(report, longest=None))
    return end_of(report)


def end_of(report: Report) -> int:
    """The exit code: a store that failed, then data that is bad, then a call that is wrong."""
    ends = {_ENDS.get(finding.code, BAD_DATA) for finding in report.errors}
    return next((end for end in (STORE_FAILED, BAD_DATA, BAD_CALL) if end in ends), DONE)
