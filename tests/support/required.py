"""What a machine may lack, and what must not go unnoticed: servers, other packages' environments.

A test that lacks one is skipped, listed at the end of the run, and fails where `MLSTAC_HF_REQUIRE_ALL=1`, as in CI.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

MARK = "left out: "
"""Begins the reasons of such skips."""


def require(is_there: object, reason: str) -> None:
    """Go on where something is there.

    Args:
        is_there: true where it is.
        reason: what is needed, and how to get it.
    """
    if is_there:
        return
    if os.environ.get("MLSTAC_HF_REQUIRE_ALL") == "1":
        pytest.fail(f"MLSTAC_HF_REQUIRE_ALL=1, and this test {reason}", pytrace=False)
    pytest.skip(f"{MARK}{reason}")


def left_out(reports: list[Any]) -> dict[str, int]:
    """Of reports of skipped tests, how often each reason of `require` was given."""
    counts: dict[str, int] = {}
    for report in reports:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if MARK in reason:
            reason = reason.partition(MARK)[2]
            counts[reason] = counts.get(reason, 0) + 1
    return counts
