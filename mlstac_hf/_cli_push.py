"""`mlstac-hf push`: a collection onto the Hub, or what would go up.

Owns: its arguments. Leaves to others: the push (`_push`), what it says of itself (`_push._result`).
"""

from __future__ import annotations

import argparse
import json
from typing import Any, get_args

from mlstac_hf._cli_selection import add_conditions, add_limit
from mlstac_hf._push._push import Format, push
from mlstac_hf._terminal import DONE, printable


def add_to(commands: Any) -> None:
    """Its arguments. A token is none of them: others see the command lines of a machine.

    Args:
        commands: argparse's subparsers.
    """
    command = commands.add_parser(
        "push",
        help="publish a collection on the Hugging Face Hub",
        epilog="Called again, it goes on where it was broken off. The token is that of HF_TOKEN or of: hf auth login",
    )
    command.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    command.add_argument("repo_id", metavar="USER/REPO", help="the repository, made where it is not there")
    command.add_argument("--format", choices=get_args(Format), default="parquet", help="default: %(default)s")
    command.add_argument("--split", metavar="NAME", action="append", help="may be given several times (default: all)")
    add_conditions(command)
    add_limit(command)
    command.add_argument("--revision", metavar="BRANCH", help="the branch to push to (default: main)")
    command.add_argument("--private", action="store_true", default=None, help="make a private repository")
    command.add_argument(
        "--no-script", dest="script", action="store_false", help="bring no script for datasets before 4"
    )
    command.add_argument("--message", metavar="TEXT", help="of the commit")
    command.add_argument("--no-preview", dest="preview", action="store_false", help="no small pictures of the samples")
    command.add_argument("--dry-run", action="store_true", help="only say what would go up")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    command.set_defaults(run=_push)


def _push(arguments: argparse.Namespace) -> int:
    asked = {key: value for key, value in vars(arguments).items() if key not in ("run", "json", "address", "repo_id")}
    result = push(arguments.address, arguments.repo_id, **asked)
    print(json.dumps(result.to_dict(), indent=2) if arguments.json else printable(result, longest=None))
    return DONE
