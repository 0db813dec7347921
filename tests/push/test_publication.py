"""Collections as tables: what is published is what there was, for us and for those who have only `datasets`."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from containers import make_containers
from layouts import Grid, images, write_kind
from made import TRAITS
from tables import as_row, flat, publish, read_as_a_stranger
from writing import name_of

import mlstac_hf
from mlstac_hf import SchemaMismatchError

FORMS = ("parquet", "arrow")
STRANGE = ("plain", "ragged_boxes", "bool_bfloat16_float16", "float8_complex64", "tensor_to_text_0.0.23")


def same_sample(one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        if isinstance(value, str):
            assert other[name] == value
        else:
            assert (other[name].dtype, other[name].shape) == (value.dtype, value.shape)
            assert other[name].tobytes() == value.tobytes()


def same_collection(address, folder, **selection):
    """`folder` holds what a selection of `address` gives."""
    for split in mlstac_hf.open_collection(address, trust_links=True).splits:
        expected = mlstac_hf.load(address, "numpy", split=split, trust_links=True, **selection)
        found = mlstac_hf.load(folder, "numpy", split=split)
        assert len(found) == len(expected)
        for index in range(len(expected)):
            same_sample(expected[index], found[index])
            assert known(found.metadata[index]) == as_published(known(expected.metadata[index]), expected[index])


def known(metadata):
    """A key that one sample has is a column of all; where they lack it, it is null."""
    return {key: value for key, value in metadata.items() if value is not None}


def as_published(metadata, sample):
    """A key that is named like a tensor is published as `meta_<key>`."""
    return {f"meta_{key}" if key in sample else key: value for key, value in metadata.items()}


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TRAITS)
def test_every_collection_reads_back_as_it_was(name, form, tmp_path):
    made = TRAITS[name](tmp_path)
    try:
        publish(made.address, tmp_path / "published", form)
        same_collection(made.address, tmp_path / "published")
    finally:
        made.close()


def test_whoever_has_only_datasets_reads_the_same(tmp_path):
    collections = {name: TRAITS[name](tmp_path / name) for name in STRANGE}
    calls = []
    for (name, made), form in itertools.product(collections.items(), FORMS):
        folder = tmp_path / f"{name}-{form}"
        publish(made.address, folder, form)
        files = {split: str(folder / "data" / f"{split}-*") for split in made.splits}
        calls.append({"path": form, "data_files": files})
    answers = read_as_a_stranger(tmp_path / "cache", calls)
    for (made, _), answer in zip(itertools.product(collections.values(), FORMS), answers, strict=True):
        for split, samples in made.splits.items():
            for rows in (answer["False"][split], answer["True"][split]):
                assert len(rows) == len(samples)
                for row, sample in zip(rows, samples, strict=True):
                    assert {name: as_row(value) for name, value in sample.shown.items()} == {
                        name: flat(row[name]) for name in sample.shown
                    }


@pytest.mark.parametrize("form", FORMS)
def test_what_was_chosen_is_published_and_described(form, tmp_path):
    document = {
        "ml_spectral": {"bands": [{"name": name, "index": i} for i, name in enumerate(["B02", "B03", "B04", "mask"])]},
        "mlhf:statistics": {"input": [{"mean": float(band), "std": 1.0} for band in range(4)]},
        "mlhf:scale": {"input": [0.1, 0.2, 0.3, 1.0]},
        "mlhf:target_planes": [3],
    }
    folder = write_kind("plain", tmp_path / "made", {"train": images(5, (4, 8, 8))}, **document)
    publish(folder, tmp_path / "published", form)
    same_collection(folder, tmp_path / "published")
    same_collection(folder, tmp_path / "published", bands=["B02", "B03", "B04"])
    found = mlstac_hf.open_collection(tmp_path / "published")
    assert [(band.name, band.index) for band in found.bands] == [("B02", 0), ("B03", 1), ("B04", 2)]
    assert [band.mean for band in found.annotations.statistics["input"]] == [0.0, 1.0, 2.0]
    assert found.annotations.scale == {"input": (0.1, 0.2, 0.3)}
    assert found.annotations.target_planes is None
    publish(folder, tmp_path / "two", form, bands=["B04", "B02"], limit=3)
    same_collection(folder, tmp_path / "two", bands=["B04", "B02"], limit=3)
    found = mlstac_hf.open_collection(tmp_path / "two")
    assert [(band.name, band.index) for band in found.bands] == [("B04", 0), ("B02", 1)]
    assert found.splits["train"].n_items == 3
    publish(folder, tmp_path / "scaled", form, scale=True)
    same_collection(folder, tmp_path / "scaled", scale=True)
    found = mlstac_hf.open_collection(tmp_path / "scaled")
    assert [(band.name, band.index) for band in found.bands] == [("B02", 0), ("B03", 1), ("B04", 2)]
    assert found.annotations.scale is found.annotations.statistics is None  # they were of stored numbers


@pytest.mark.parametrize("form", FORMS)
def test_conditions_find_the_same_among_tables(form, tmp_path):
    grids = [
        Grid(grid.tensors, {"cloud": index / 4, "start_datetime": f"2020-01-0{index + 1}T00:00:00Z"}, transform)
        for index, grid in enumerate(images(6, (2, 8, 8)))
        for transform in [(465180.0 + 500 * index, 10.0, 0.0, 5080250.0, 0.0, -10.0)]
    ]
    folder = write_kind("plain", tmp_path / "made", {"train": grids})
    publish(folder, tmp_path / "published", form)
    for selection in (
        {"filter": "CAST(cloud, 'float') > 0.6"},
        {"datetime": "2020-01-02/2020-01-04"},
        {"bbox": (14.55, 45, 14.56, 46)},
        {"crop": False, "bands": [1], "scale": 0.5},
    ):
        chosen = mlstac_hf.load(folder, "numpy", **selection)
        found = mlstac_hf.load(tmp_path / "published", "numpy", **selection)
        assert 0 < len(chosen) == len(found)
        for index in range(len(chosen)):
            same_sample(chosen[index], found[index])
            assert chosen.metadata[index]["id"] == found.metadata[index]["id"]


def test_containers_keep_the_types_of_their_columns(tmp_path):
    make_containers(tmp_path / "made")
    publish(tmp_path / "made", tmp_path / "published", "parquet")
    same_collection(tmp_path / "made", tmp_path / "published")


def test_a_table_beside_the_shards_says_where_everything_is(tmp_path):
    made = TRAITS["plain"](tmp_path)
    publish(made.address, tmp_path / "published", "parquet")
    table = pq.read_table(tmp_path / "published" / "metadata" / "train.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"] == {"encoding": "WKB", "geometry_types": ["Polygon"]}
    assert table.column("id").to_pylist() == [name_of(index) for index in range(5)]
    for row in table.to_pylist():
        shard = pq.ParquetFile(tmp_path / "published" / row["mlhf:shard"])
        found = shard.read_row_group(row["mlhf:group"], columns=["id"]).column("id")[row["mlhf:row"]]
        assert found.as_py() == row["id"]


def test_the_same_collection_gives_the_same_bytes_and_keys(tmp_path):
    made = TRAITS["plain"](tmp_path)
    plans = [publish(made.address, tmp_path / name, "parquet") for name in ("one", "two")]
    assert [file.key for file in plans[0].files] == [file.key for file in plans[1].files]
    for file in plans[0].files:
        assert (tmp_path / "one" / file.path).read_bytes() == (tmp_path / "two" / file.path).read_bytes()
    other = publish(made.address, tmp_path / "three", "parquet", limit=1)
    assert {file.key for file in plans[0].files}.isdisjoint(file.key for file in other.files)


def test_splits_that_differ_cannot_be_one_dataset(tmp_path):
    folder = write_kind(
        "plain", tmp_path / "made", {"train": images(2, (2, 8, 8)), "test": images(2, (2, 8, 8), np.uint8)}
    )
    with pytest.raises(SchemaMismatchError, match=r"split 'test': 'input' is uint8, in those before it uint16"):
        publish(folder, tmp_path / "published", "parquet")


@pytest.mark.parametrize("form", FORMS)
def test_a_split_without_samples(form, tmp_path):
    folder = write_kind("plain", tmp_path / "made", {"train": images(2, (2, 8, 8)), "test": []})
    publish(folder, tmp_path / "published", form)
    assert len(mlstac_hf.load(tmp_path / "published", "numpy", split="test")) == 0
    assert len(mlstac_hf.load(tmp_path / "published", "numpy")) == 2


def test_what_is_published_is_sound(tmp_path):
    made = TRAITS["plain"](tmp_path)
    publish(made.address, tmp_path / "published", "parquet")
    report = mlstac_hf.validate(tmp_path / "published", deep=True)
    assert report.ok, report
    assert "W602" not in {finding.code for finding in report.warnings}  # numbers begin anew in each split


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["genA_plain", "genA_s2_lulc", "genB_clouds"])
def test_real_collections_read_back_as_they_were(name, form, real_data, tmp_path):
    selection = {"target": [4]} if name == "genB_clouds" else {}
    if selection:
        pytest.importorskip("rasterio")
    publish(real_data / name, tmp_path / "published", form, **selection)
    same_collection(real_data / name, tmp_path / "published", **selection)
