"""How sizes and texts look on a terminal."""

from __future__ import annotations

import pytest

from mlstac_hf._terminal import printable, size


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_449_000, "1.4 MB"), (10**15, "1000.0 TB")],
)
def test_sizes(nbytes, text):
    assert size(nbytes) == text


def test_printable():
    assert printable("Žatecko") == "Žatecko"
    assert (
        printable("a\x1b[31m\r\nb")
        == "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"
    )
    assert printable("x" * 300, None) == "x" * 300
    assert printable("x" * 300) == "x" * 197 + "..."
