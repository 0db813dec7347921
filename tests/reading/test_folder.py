"""Folders of samples: which files, in what order, and what is said of the odd ones."""

import os
import pickle
import warnings

import numpy as np
import pytest
from made import image_and_mask, plain, write
from writing import main_json, pack_single, to_bytes, write_main

from mlstac_hf import (
    CollectionWarning,
    CorruptSampleError,
    LinkRefusedError,
    MissingSampleError,
    StoreError,
    load,
    open_collection,
)
from mlstac_hf._reading import open_split
from mlstac_hf._reading._listing import NumberedNames


def open_train(made):
    return open_split(open_collection(made.address), "train")


def ids(split):
    return [split.metadata[index]["id"] for index in range(len(split))]


def test_samples_come_in_the_order_of_their_names_whatever_the_disk_says(tmp_path):
    made = write(tmp_path, image_and_mask, counts={"train": 70})
    names = [made.name for made in made.splits["train"]]
    assert ids(load(made.address, "numpy")) == names == sorted(names, key=str.encode)


def test_stray_files_are_left_out_and_named_where_they_look_like_samples(collection):
    folder = collection.folder / "train"
    for stray in ("metadata.parquet", ".DS_Store", "README", "0000003.safetensors.part"):
        (folder / stray).write_bytes(b"x")
    (folder / "000000B.safetensors").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load(collection.address, "numpy")) == 5
    (folder / "copy.safetensors").write_bytes(b"x")
    with pytest.warns(CollectionWarning, match=r"copy\.safetensors left out") as told:
        assert len(load(collection.address, "numpy")) == 5
    assert len(told) == 1


def test_a_gap_is_told_and_nothing_shifts_its_id(collection):
    collection.document["ml:train"]["n_items"] = 4
    write_main(collection.folder, collection.document)
    (collection.folder / "train" / "0000003.safetensors").unlink()
    with pytest.warns(CollectionWarning, match="1 samples are missing: 0000003") as told:
        split = load(collection.address, "numpy")
    assert len(told) == 1
    assert ids(split) == ["0000001", "0000002", "0000004", "0000005"]
    assert split[2]["input"].tobytes() == collection.splits["train"][3].shown["input"].tobytes()


def test_a_far_sample_makes_no_long_list_of_the_missing(collection):
    folder = collection.folder / "train"
    os.rename(folder / "0000005.safetensors", folder / "zzzzzzz.safetensors")
    with pytest.warns(CollectionWarning, match=r"are missing: 0000005, .* and \d{10,} more"):
        split = load(collection.address, "numpy")
    assert len(split) == 5
    assert split[4]["input"].tobytes() == collection.splits["train"][4].shown["input"].tobytes()


def test_a_sample_that_is_there_twice_is_read_plain_and_told(collection):
    twin = collection.folder / "train" / "0000002.safetensors.gz"
    twin.write_bytes(pack_single(to_bytes(collection.splits["train"][0])))
    with pytest.warns(CollectionWarning, match="0000002 exist both plain and compressed"):
        split = load(collection.address, "numpy")
    assert len(split) == 5
    assert split.metadata[1]["id"] == "0000002"


def test_a_count_that_disagrees_is_told_once(collection):
    collection.document["ml:train"]["n_items"] = 7
    write_main(collection.folder, collection.document)
    with pytest.warns(CollectionWarning, match=r"claims 7 samples, the folder holds 5") as told:
        split = load(collection.address, "numpy")
    assert len(told) == 1
    assert len(list(split)) == len(split[:]["input"]) == 5
    assert told[0].filename == __file__


def test_plain_and_compressed_files_may_stand_side_by_side(collection):
    folder = collection.folder / "train"
    for name in ("0000001", "0000004"):
        path = folder / f"{name}.safetensors"
        (folder / f"{name}.safetensors.gz").write_bytes(pack_single(path.read_bytes()))
        path.unlink()
    split = load(collection.address, "numpy")
    for index, made in enumerate(collection.splits["train"]):
        assert split[index]["input"].tobytes() == made.shown["input"].tobytes()


FAULTS = {
    "cut": (lambda data: data[:-5], "cut short"),
    "empty": (lambda data: b"", "found 0 in all"),
    "longer": (lambda data: data + b"12", "2 bytes belong to nothing"),
    "gzip inside": (pack_single, "those of gzip"),
    "length of 2^60": (lambda data: (2**60).to_bytes(8, "little") + data[8:], "only .* follow"),
}


@pytest.mark.parametrize(("damage", "message"), FAULTS.values(), ids=FAULTS)
def test_a_bad_file_spoils_its_sample_and_is_named_with_place_reason_and_advice(collection, damage, message):
    path = collection.folder / "train" / "0000003.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    split = load(collection.address, "numpy")
    for ask in (lambda: split[2], lambda: split.metadata[2], lambda: split.metadata.raw(2)):
        with pytest.raises(CorruptSampleError, match=message) as caught:
            ask()
        assert str(caught.value).startswith("train/0000003.safetensors (sample 2): ")
        assert 'on_error="skip"' in str(caught.value)
    for index in (0, 1, 3, 4):
        assert split[index]["target"].tobytes() == collection.splits["train"][index].shown["target"].tobytes()


@pytest.mark.parametrize("packed", [b"no gzip", pack_single(b"no sample"), b""])
def test_a_bad_compressed_file_is_named_too(tmp_path, packed):
    made = plain(tmp_path, pack=pack_single)
    (tmp_path / "train" / "0000003.safetensors.gz").write_bytes(packed)
    split = load(made.address, "numpy")
    with pytest.raises(CorruptSampleError, match=r"^train/0000003\.safetensors\.gz \(sample 2\)"):
        split[2]
    assert split[3]["input"].tobytes() == made.splits["train"][3].shown["input"].tobytes()


def test_a_file_that_went_away_is_a_missing_sample(collection):
    split = load(collection.address, "numpy")
    (collection.folder / "train" / "0000003.safetensors").unlink()
    with pytest.raises(MissingSampleError, match=r"train/0000003\.safetensors \(sample 2\)"):
        split[2]
    assert issubclass(MissingSampleError, FileNotFoundError)
    assert set(split[3]) == {"input", "target", "extra"}


def test_a_file_that_became_a_folder_is_a_store_error(collection):
    split = load(collection.address, "numpy")
    path = collection.folder / "train" / "0000003.safetensors"
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="0000003"):
        split[2]
    assert set(split[3]) == {"input", "target", "extra"}


def test_a_sample_that_is_a_link_out_of_the_collection_is_refused_alone(collection, tmp_path):
    path = collection.folder / "train" / "0000003.safetensors"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    split = load(collection.address, "numpy")
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        split[2]
    assert set(split[3]) == {"input", "target", "extra"}
    trusted = load(collection.address, "numpy", trust_links=True)
    assert trusted[2]["input"].tobytes() == collection.splits["train"][2].shown["input"].tobytes()


def test_tensors_of_other_names_come_after_the_known_ones(tmp_path):
    made = write(tmp_path, image_and_mask, counts={"train": 1})
    one = made.splits["train"][0]
    one.stored |= {"aaa": np.zeros(2, np.float32), "extra": np.ones(1, np.int8)}
    (tmp_path / "train" / "0000001.safetensors").write_bytes(to_bytes(one))
    split = load(made.address, "numpy")
    assert list(split[0]) == ["input", "target", "extra", "aaa"]
    assert list(split[0:1]) == ["input", "target", "extra", "aaa"]


def test_a_sample_without_an_id_has_its_files_name(tmp_path):
    made = write(tmp_path, image_and_mask, counts={"train": 2})
    del made.splits["train"][1].raw["id"]
    (tmp_path / "train" / "0000002.safetensors").write_bytes(to_bytes(made.splits["train"][1]))
    assert ids(load(made.address, "numpy")) == ["0000001", "0000002"]


def test_the_fingerprint_changes_when_a_file_is_added_removed_or_changed(collection):
    folder = collection.folder / "train"
    seen = {open_train(collection).fingerprint()}
    assert open_train(collection).fingerprint() in seen
    status = (folder / "0000002.safetensors").stat()
    (folder / "0000002.safetensors").write_bytes((folder / "0000003.safetensors").read_bytes())
    os.utime(folder / "0000002.safetensors", ns=(status.st_atime_ns, status.st_mtime_ns))
    seen.add(open_train(collection).fingerprint())
    (folder / "0000006.safetensors").write_bytes((folder / "0000003.safetensors").read_bytes())
    with pytest.warns(CollectionWarning):
        seen.add(open_train(collection).fingerprint())
    (folder / "0000006.safetensors").rename(folder / "0000006.safetensors.gz")
    with pytest.warns(CollectionWarning):
        seen.add(open_train(collection).fingerprint())
    assert len(seen) == 4


def test_sizes_are_known_where_the_store_lists_them(collection, server):
    source = open_train(collection)
    assert source.nbytes(0) == (collection.folder / "train" / "0000001.safetensors").stat().st_size
    remote = open_split(open_collection(f"{server.url}/{collection.folder.name}"), "train")
    assert remote.nbytes(0) is None


def test_files_are_brought_as_they_are_and_one_that_is_not_there_stays_away(collection, server, tmp_path):
    folder = collection.folder / "train"
    (folder / "0000002.safetensors").rename(folder / "0000002.safetensors.gz")
    (folder / "0000003.safetensors").unlink()
    remote = open_split(open_collection(f"{server.url}/{collection.folder.name}"), "train")
    (tmp_path / "here").mkdir()
    local = remote.brought(tmp_path / "here", range(3))
    assert local.is_local
    assert not remote.is_local
    assert [local.names[index] for index in range(3)] == [
        "0000001.safetensors",
        "0000002.safetensors.gz",
        "0000003.safetensors",
    ]
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == {
        name: (folder / name).read_bytes() for name in ("0000001.safetensors", "0000002.safetensors.gz")
    }


def test_a_folder_is_pickled(collection):
    again = pickle.loads(pickle.dumps(open_train(collection)))
    assert again.read(4).values["input"].tobytes() == collection.splits["train"][4].shown["input"].tobytes()


def test_made_up_names_cost_nothing_and_end_where_they_end():
    names = NumberedNames(10**12, ".safetensors")
    assert len(names) == 10**12
    assert names[61] == "0000021.safetensors"
    for outside in (-1, 10**12):
        with pytest.raises(IndexError):
            names[outside]


def test_a_split_that_main_json_says_is_empty_is_empty(tmp_path):
    write_main(tmp_path, main_json({"train": 0}, links={"train": ""}))
    split = load(tmp_path, "numpy")
    assert (len(split), list(split), split[:], len(split.metadata)) == (0, [], {}, 0)
    with pytest.raises(IndexError, match="sample 0 of a split of 0"):
        split[0]
