"""Collections written by the real upstream packages, as datasets in our formats."""

from __future__ import annotations

import hashlib
import json

import pytest
from loading import as_numpy

import mlstac_hf


@pytest.mark.parametrize("name", ["genA_s2_lulc", "genA_plain"])
def test_every_tensor_has_its_checksum_in_every_format(real_data, cache, name, framework):
    pytest.importorskip({"tf": "tensorflow"}.get(framework, framework))
    expected = json.loads((real_data / f"{name}.expected.json").read_text())
    exact = mlstac_hf.load_dataset(real_data / name, cache_dir=cache)
    assert {split: len(rows) for split, rows in exact.items()} == expected["n_samples"]
    plain = mlstac_hf.load(real_data / name, "numpy")[0]
    for split, samples in expected["splits"].items():
        rows = exact[split].with_format(f"mlstac_{framework}")
        for sample in samples:
            row = rows[sample["index"]]
            for tensor, facts in sample["tensors"].items():
                value = as_numpy(row[tensor], plain[tensor])
                assert (value.dtype.name, list(value.shape)) == (facts["dtype"], facts["shape"])
                assert hashlib.sha256(value.tobytes()).hexdigest() == facts["sha256"]
            own = {key: row[key] for key in sample["metadata"] if key not in ("geotransform", *STANDARD)}
            assert own == {key: sample["metadata"][key] for key in own}


STANDARD = ("id", "crs", "start_datetime", "end_datetime")
