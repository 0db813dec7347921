"""The arguments by which commands choose samples, the same for all that do.

Owns: their names and help. Leaves to others: what they mean (`_reading`).
"""

from __future__ import annotations

import argparse


def add_conditions(command: argparse.ArgumentParser) -> None:
    """Which samples, by what is known of them."""
    command.add_argument("--filter", metavar="CQL2", help='only samples that meet this, such as "cloud < 20"')
    command.add_argument("--bbox", metavar="W,S,E,N", help="only those that meet this box, in degrees")
    command.add_argument(
        "--datetime", metavar="TIMES", help="only those in this interval, such as 2018-01-01/2020-12-31"
    )


def add_limit(command: argparse.ArgumentParser) -> None:
    """How many of them."""
    command.add_argument("--limit", metavar="N", type=int, help="at most so many of each split")
