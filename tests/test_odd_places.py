"""Collections in odd places: archives, servers without HEAD, lying counts, encoded links."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from made import write
from writing import sample, write_main

import mlstac_hf
from mlstac_hf import CollectionWarning


def image(index, **more):
    return sample(index, {"input": np.full((2, 3), index, "int16")}, **more)


@pytest.fixture
def made(tmp_path):
    return write(tmp_path / "made", image, counts={"train": 5})


@pytest.mark.parametrize("address", ["zip://::{zip}", "zip://main.json::{zip}"])
def test_a_collection_in_an_archive(made, tmp_path, address):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", made.folder)
    train = mlstac_hf.load(address.format(zip=archive), "numpy")
    assert [int(row["input"][0, 0]) for row in train] == [0, 1, 2, 3, 4]


def test_a_server_that_knows_no_head(made, server):
    server.tricks["*"] = lambda request: request.command == "HEAD" and request.answer(501)
    train = mlstac_hf.load(f"{server.url}/made", "numpy")
    assert train[:]["input"][:, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_count_that_is_a_lie_costs_no_memory_and_names_the_first_that_is_missing(made, server):
    write_main(made.folder, {**made.document, "ml:train": {"n_items": 10**12, "link": ""}})
    train = mlstac_hf.load(f"{server.url}/made", "numpy")
    assert len(train) == 10**12
    with pytest.raises(mlstac_hf.MissingSampleError, match=r"0000006.safetensors \(sample 5\)"):
        train[:]


@pytest.mark.parametrize("claim", [-1, "many", 1.5, 10**400, [3]])
def test_a_count_that_is_none_is_shown_where_it_is_needed(made, server, claim):
    write_main(made.folder, {**made.document, "ml:train": {"n_items": claim, "link": ""}})
    with pytest.raises(
        mlstac_hf.InvalidCollectionError, match=r"n_items of split 'train' to be a count, found \S"
    ) as error:
        mlstac_hf.load(f"{server.url}/made", "numpy")
    assert len(str(error.value)) < 400
    with pytest.warns(CollectionWarning, match="the folder decides"):
        assert len(mlstac_hf.load(made.folder, "numpy")) == 5


def test_of_two_counts_the_one_that_is_a_count_is_read(made):
    write_main(made.folder, {**made.document, "ml:train": {"n_items": None, "n_samples": 5}})
    assert mlstac_hf.open_collection(made.folder).splits["train"].n_items == 5


def test_errors_while_a_dataset_is_built_name_the_server_not_a_temporary_folder(made, server, tmp_path):
    pytest.importorskip("datasets")
    write_main(made.folder, {**made.document, "ml:train": {"n_items": 7, "link": ""}})
    with pytest.raises(mlstac_hf.MissingSampleError, match=rf"0000006.*expected at {server.url}/made/train") as error:
        mlstac_hf.load_dataset(f"{server.url}/made", cache_dir=str(tmp_path / "cache"))
    assert "staging" not in str(error.value)


def test_a_relative_link_may_be_percent_encoded(tmp_path):
    made = write(tmp_path, image, counts={"train": 2})
    shutil.move(made.folder / "train", made.folder / "my data")
    write_main(made.folder, {**made.document, "ml:train": {"n_items": 2, "link": "my%20data/"}})
    assert len(mlstac_hf.load(made.folder, "numpy")) == 2


def test_a_filesystem_that_fails_to_open_is_a_store_error():
    with pytest.raises(mlstac_hf.StoreError, match="could not open ftp://"):
        mlstac_hf.load("ftp://127.0.0.1:9/nothing", "numpy")
