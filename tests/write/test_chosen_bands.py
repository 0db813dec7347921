"""Bands and planes: what is said where they differ, and what is left of bands where some were chosen."""

from __future__ import annotations

import numpy as np
import pytest
from publishing import DESCRIBED

import mlstac_hf
from mlstac_hf import Band, Collection, CollectionWarning
from mlstac_hf._spec import check_planes, of_planes

BANDS = ("B04", "B03", "B02")


def collection(**fields):
    return Collection(**{"id": "made", **DESCRIBED, "sensor": "Sentinel-2", "bands": BANDS, **fields})


def rows(planes=3, count=4):
    for index in range(count):
        values = np.arange(planes * 16, dtype=np.uint16).reshape(planes, 4, 4) + index
        yield {"input": values, "target": values[:1].astype(np.uint8)}


def test_fewer_planes_than_bands_are_warned_of_once(tmp_path):
    with pytest.warns(CollectionWarning) as told:
        mlstac_hf.write(rows(2), tmp_path, collection(), split="train")
    mlstac_hf.write(rows(2), tmp_path, collection(), split="test")  # as those that are there: it was told
    [said] = [str(warning.message) for warning in told]
    assert "sample 0" in said
    assert "main.json names 3 bands, input has 2 along axis 0" in said
    assert "W316" in {finding.code for finding in mlstac_hf.validate(tmp_path).warnings}


@pytest.mark.parametrize("planes", [3, 4])
def test_as_many_and_more_are_no_news(tmp_path, planes):
    mlstac_hf.write(rows(planes), tmp_path, collection(), split="train")


@pytest.mark.parametrize(
    ("shape", "axis", "more", "expected"),
    [
        ((3, 4, 4), None, False, None),
        ((5, 3, 4, 4), None, False, None),
        ((4, 4, 3), -1, False, None),
        ((4, 4, 4), None, True, None),
        ((4, 4, 4), None, False, "main.json names 3 bands, input has 4 along axis 0"),
        ((2, 4, 4), None, True, "main.json names 3 bands, input has 2 along axis 0"),
        ((4, 4), None, True, "bands lie along axis -1, and input has 2 axes"),
        ((3, 4, 4), 3, False, "bands lie along axis 3, and input has 3 axes"),
    ],
)
def test_what_bands_ask_of_planes(shape, axis, more, expected):
    found = check_planes(collection(band_axis=axis), shape, more=more)
    assert found == expected or (found is None and shape == (4, 4))
    assert check_planes(Collection(id="none"), shape) is None


@pytest.mark.parametrize("layout", ["samples", "container"])
def test_what_some_bands_of_a_split_become(tmp_path, layout):
    if layout == "container":
        pytest.importorskip("pyarrow")
    mlstac_hf.write(rows(), tmp_path / "made", collection(), split="train")
    made = mlstac_hf.open_collection(tmp_path / "made")
    some = mlstac_hf.load(made, "numpy", bands=["B02", "B04"])
    written = mlstac_hf.write(some, tmp_path / "some", made, split="train", layout=layout)
    assert [(band.name, band.index) for band in written.bands] == [("B02", 0), ("B04", 1)]
    whole = made.annotations.statistics["input"]
    found = written.annotations.statistics["input"]
    assert [one.mean for one in found] == [whole[2].mean, whole[0].mean]
    again = mlstac_hf.load(tmp_path / "some", "numpy", bands=["B04"])
    np.testing.assert_array_equal(again[1]["input"], mlstac_hf.load(made, "numpy", bands=["B04"])[1]["input"])
    assert "W316" not in {finding.code for finding in mlstac_hf.validate(tmp_path / "some").warnings}


def test_what_somebody_says_of_chosen_bands_is_written(tmp_path):
    mlstac_hf.write(rows(), tmp_path / "made", collection(), split="train")
    some = mlstac_hf.load(tmp_path / "made", "numpy", bands=["B02", "B04"])
    written = mlstac_hf.write(some, tmp_path / "some", collection(bands=("B02", "B04")), split="train")
    assert [band.name for band in written.bands] == ["B02", "B04"]
    assert some.planes() == (2, 0)
    whole = mlstac_hf.load(tmp_path / "made", "numpy", bands=None)
    assert whole.planes() is None
    assert mlstac_hf.load(tmp_path / "made", "numpy", bands=["B02"], limit=0).planes() is None
    assert len(mlstac_hf.write(whole, tmp_path / "whole", collection(), split="train").bands) == 3


def test_a_first_sample_that_cannot_be_read_says_nothing(tmp_path):
    mlstac_hf.write(rows(), tmp_path, collection(), split="train")
    some = mlstac_hf.load(tmp_path, "numpy", bands=["B02"], on_error="skip")
    next((tmp_path / "train").glob("0000001*")).write_bytes(b"spoilt")
    assert some.planes() is None


def test_one_number_holds_of_all_planes():
    numbers = {"scale": {"input": (0.5,), "target": (1.0, 2.0, 3.0)}, "offset": {"input": (1.0, 2.0, 3.0)}}
    found = collection()
    found = found.model_copy(update={"annotations": found.annotations.model_copy(update=numbers)})
    assert of_planes(found, None) is found
    left = of_planes(found, (2, 0)).annotations
    assert left.scale == numbers["scale"]
    assert left.offset == {"input": (3.0, 1.0)}


@pytest.mark.parametrize("options", [{"scale": True}, {"scale": 0.5}, {"normalize": "collection"}])
def test_what_is_said_of_stored_numbers_is_not_said_of_scaled_ones(tmp_path, options):
    first = mlstac_hf.write(rows(), tmp_path / "made", collection(), split="train")
    notes = first.annotations.model_copy(
        update={"scale": {"input": (0.1,), "target": (2.0,)}, "offset": {"input": (5.0,)}}
    )
    made = mlstac_hf.write(rows(), tmp_path / "made", first.model_copy(update={"annotations": notes}), split="test")
    some = mlstac_hf.load(made, "numpy", split="test", bands=["B02", "B04"], **options)
    assert (some.is_scaled, mlstac_hf.load(made, "numpy", split="test").is_scaled) == (True, False)
    written = mlstac_hf.write(some, tmp_path / "some", made, split="test")
    assert [band.name for band in written.bands] == ["B02", "B04"]
    found = written.annotations
    assert (found.scale, found.offset, found.statistics) == ({"target": (2.0,)}, None, None)
    np.testing.assert_array_equal(mlstac_hf.load(written, "numpy", split="test")[1]["input"], some[1]["input"])
    with pytest.raises(ValueError, match="declares no scale"):
        mlstac_hf.load(written, "numpy", split="test", scale=True)


def test_bands_that_say_how_they_are_stored_do_not_say_it_of_scaled_ones(tmp_path):
    bands = [Band(name=name, **{"raster:scale": 0.1, "raster:offset": 1, "description": name}) for name in BANDS]
    made = mlstac_hf.write(rows(), tmp_path / "made", collection(bands=bands), split="train")
    some = mlstac_hf.load(made, "numpy", scale=True)
    written = mlstac_hf.write(some, tmp_path / "some", made, split="train")
    assert [(band.description, "raster:scale" in band.model_extra) for band in written.bands] == [
        (n, False) for n in BANDS
    ]
    assert written.annotations.statistics["input"][0].mean == pytest.approx(
        float(np.mean([one["input"][0] for one in some]))
    )
