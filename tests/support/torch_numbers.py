"""What came, of collections whose samples hold their number as `target`."""

from __future__ import annotations


def numbers(batches):
    """The numbers in batches that were collated."""
    return [number for batch in batches for number in batch["target"].tolist()]
