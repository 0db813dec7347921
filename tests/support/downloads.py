"""What a downloaded folder must be, told by what `load` finds in it and in what it came from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from publishing import tree

import mlstac_hf
from mlstac_hf import CollectionWarning
from mlstac_hf._download._staging import FOLDER


def check_same(address: Any, folder: Path, splits: Any, **selection: Any) -> None:
    """The samples of a folder are those of the address under a selection; opening the folder warns of nothing."""
    for split in splits:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollectionWarning)
            expected = mlstac_hf.load(address, "numpy", split=split, **selection)
        found = mlstac_hf.load(folder, "numpy", split=split)
        assert len(found) == len(expected)
        for index in range(len(expected)):
            assert found.metadata[index] == expected.metadata[index]
            ours, theirs = found[index], expected[index]
            assert list(ours) == list(theirs)
            for name, value in theirs.items():
                if isinstance(value, str):
                    assert ours[name] == value
                else:
                    assert ours[name].dtype == value.dtype
                    np.testing.assert_array_equal(ours[name], value)


def files(folder: Path) -> dict[str, str]:
    """Digest by path, without the note that a download leaves."""
    return {path: digest for path, digest in tree(folder).items() if not path.startswith(FOLDER)}
