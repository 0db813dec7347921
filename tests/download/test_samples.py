"""Downloads of the sample layout: the same samples, the published bytes, and what stands in their way."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import warnings

import numpy as np
import pytest
from downloads import check_same, files
from made import plain, values
from publishing import DESCRIBED, samples
from safetensors.numpy import save
from writing import main_json, name_of, write_main

import mlstac_hf
from mlstac_hf import (
    Collection,
    CollectionWarning,
    CorruptSampleError,
    LinkRefusedError,
    MissingSampleError,
    StoreError,
    UnknownNameError,
    download,
)
from mlstac_hf._download import _work
from mlstac_hf._download._staging import FOLDER


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def published(tmp_path):
    """Twelve samples in two splits, with checksums, as `write` makes them."""
    folder = tmp_path / "published"
    ponds = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
    mlstac_hf.write(samples(9, dtype="uint8"), folder, ponds)
    mlstac_hf.write(samples(3, dtype="uint8"), folder, ponds, split="test")
    return folder


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
def test_every_trait_comes_as_it_is(trait, out):
    """Whatever `load` gives of the source, it gives of the copy."""
    result = download(trait.address, out, trust_links=trait.refused)
    assert result.samples == {name: len(made) for name, made in trait.splits.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_same(trait.address, out, result.samples, trust_links=trait.refused)


def test_a_whole_collection_is_the_published_bytes(published, out):
    result = download(published, out)
    assert files(out) == files(published)
    assert (result.files, result.fetched, result.skipped) == (12, 12, ())
    assert result.nbytes == result.fetched_nbytes == sum(p.stat().st_size for p in published.glob("*/*.safetensors"))
    assert mlstac_hf.validate(out, deep=True).ok


def test_over_http_it_is_the_same(published, server, out):
    download(f"{server.url}/published/main.json", out)
    assert files(out) == files(published)


def test_compressed_files_stay_compressed(tmp_path, server, out):
    made = plain(tmp_path / "zipped", gzip.compress)
    download(f"{server.url}/zipped", out, split="train")
    assert (
        files(out).items()
        >= {
            f"train/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in (made.folder / "train").iterdir()
        }.items()
    )
    assert sorted(p.name for p in (out / "train").iterdir()) == [f"{name_of(i)}.safetensors.gz" for i in range(5)]


def test_other_splits_are_neither_there_nor_declared(published, out):
    result = download(published, out, split="test")
    assert result.samples == {"test": 3}
    assert list(mlstac_hf.open_collection(out).splits) == ["test"]
    with pytest.raises(UnknownNameError):
        mlstac_hf.load(out, "numpy", split="train")
    document = json.loads((out / "main.json").read_bytes())
    assert document["ml:train"] == {"n_items": 0, "mlhf:absent": True}
    assert document["ml:test"]["n_items"] == 3
    assert list(document["mlhf:checksums"]) == ["test/SHA256SUMS"]
    assert list(document["mlhf:class_counts"]) == ["test"]
    assert not mlstac_hf.validate(out, deep=True).errors


def test_a_selection_is_numbered_without_gaps_and_keeps_its_ids(published, out):
    pytest.importorskip("cql2")
    chosen = "id > 'tile-002' AND id <> 'tile-005'"
    result = download(published, out, filter=chosen, limit=4)
    assert result.samples == {"train": 4, "test": 0}
    check_same(published, out, ["train"], filter=chosen, limit=4)
    assert sorted(p.name for p in (out / "train").iterdir()) == [
        *(f"{name_of(i)}.safetensors" for i in range(4)),
        "SHA256SUMS",
    ]
    for number, index in enumerate((3, 4, 6, 7)):
        copied, original = (f / f"train/{name_of(i)}.safetensors" for f, i in ((out, number), (published, index)))
        assert copied.read_bytes() == original.read_bytes()
    report = mlstac_hf.validate(out, deep=True)
    assert report.ok, str(report)
    assert "class_counts" not in (out / "main.json").read_text()


def test_load_dataset_finds_what_load_finds(published, out):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    download(published, out, limit=2)
    rows = mlstac_hf.load_dataset(out)
    assert {name: part.num_rows for name, part in rows.items()} == {"train": 2, "test": 2}
    assert rows["train"]["id"][:] == ["tile-000", "tile-001"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_sample_whose_id_is_its_name_keeps_it(tmp_path, out, pack):
    """Renamed, it is given that id; its tensors stay as they are."""
    folder = tmp_path / "nameless"
    (folder / "train").mkdir(parents=True)
    tensors = [{"input": values(i, (2, 4, 4), np.uint16), "target": np.array(i)} for i in range(5)]
    for index in (0, 2, 4):
        metadata = {"crs": "EPSG:32633"} if index else None
        name = f"{name_of(index)}.safetensors{'.gz' if pack is gzip.compress else ''}"
        (folder / "train" / name).write_bytes(pack(save(tensors[index], metadata)))
    write_main(folder, main_json({"train": 3}))
    with pytest.warns(CollectionWarning, match="2 samples are missing"):
        first = download(folder, out)
    there = files(out)
    assert first.nbytes == sum(file.stat().st_size for file in (out / "train").glob("0*"))
    with pytest.warns(CollectionWarning, match="2 samples are missing"):
        again = download(folder, out)
    assert (again.fetched, again.nbytes) == (0, first.nbytes)
    assert files(out) == there
    check_same(folder, out, ["train"])
    assert [facts["id"] for facts in mlstac_hf.load(out, "numpy").metadata[:]] == [name_of(i) for i in (0, 2, 4)]
    assert mlstac_hf.validate(out, deep=True).ok


def test_a_list_of_checksums_that_is_lost_comes_back(published, out):
    download(published, out)
    there = files(out)
    (out / "train" / "SHA256SUMS").unlink()
    assert download(published, out).fetched == 0
    assert files(out) == there


def test_what_nobody_knows_of_main_json_stays(collection, out):
    document = {**collection.document, "mine": {"a": [1]}, "ml:task": "TensorSegmentation"}
    write_main(collection.folder, document)
    download(collection.address, out, limit=1)
    kept = json.loads((out / "main.json").read_bytes())
    assert kept["mine"] == {"a": [1]}
    assert kept["ml:task"] == "TensorSegmentation"
    assert kept["extent"] is None


def test_checksums_without_a_list_of_them_are_kept_for_what_is_whole(collection, out):
    path = "train/0000001.safetensors"
    digest = hashlib.sha256((collection.folder / path).read_bytes()).hexdigest()
    document = {**collection.document, "mlhf:checksums": {path: f"sha256:{digest}"}}
    write_main(collection.folder, document)
    download(collection.address, out)
    assert (out / "main.json").read_bytes() == (collection.folder / "main.json").read_bytes()
    download(collection.address, out.with_name("one"), limit=1)
    assert "checksums" not in (out.with_name("one") / "main.json").read_text()


# the call


def test_a_dry_run_says_how_much_and_writes_nothing(published, out):
    result = download(published, out, split="train", dry_run=True)
    assert (result.samples, result.files, result.fetched, result.dry_run) == ({"train": 9}, 9, 0, True)
    assert result.nbytes == sum(p.stat().st_size for p in (published / "train").glob("*.safetensors"))
    assert not out.exists()
    assert str(result).startswith(f"would be in {out}: train 9 samples, 9 files, ")


def test_the_size_is_said_before_it_begins(published, out, caplog):
    caplog.set_level(logging.INFO, "mlstac_hf")
    download(published, out)
    assert "downloading ponds to" in caplog.text
    assert "train 9, test 3 samples, 12 files" in caplog.text


def test_a_disk_that_is_too_small_is_named_with_numbers(published, out, monkeypatch):
    monkeypatch.setattr(_work, "_SPARE", 1 << 62)
    with pytest.raises(StoreError, match=r"[\d.]+ kB are to come, and the disk has [\d.]+ .B left"):
        download(published, out)
    assert not out.exists()


@pytest.mark.filterwarnings("ignore:.*(are missing|claims 9 samples):mlstac_hf.CollectionWarning")
def test_a_result_is_told(published, out):
    (published / "train/0000002.safetensors").unlink()
    result = download(published, out)
    assert str(result).startswith(f"in {out}: train 8, test 3 samples, 11 files, ")
    assert result.to_dict()["samples"] == {"train": 8, "test": 3}


@pytest.mark.parametrize(
    "asked", [{"bands": [0]}, {"target": [1]}, {"scale": True}, {"crop": True}, {"normalize": "collection"}]
)
def test_what_changes_values_is_for_load(published, out, asked):
    with pytest.raises(ValueError, match=f"{next(iter(asked))}= changes what is read"):
        download(published, out, **asked)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"destination": "s3://bucket/x"}, ValueError, "expected a folder of this disk"),
        ({"destination": 3}, TypeError, "expected destination to be a path"),
        ({"on_error": "ignore"}, ValueError, "expected on_error"),
        ({"split": 4}, TypeError, "expected split"),
        ({"split": "nowhere"}, UnknownNameError, "expected one of the splits train, test"),
        ({"limits": 4}, TypeError, "Did you mean 'limit'"),
        ({"cache_dir": 4}, TypeError, "expected cache_dir"),
    ],
)
def test_a_wrong_call_is_refused(published, out, asked, error, message):
    with pytest.raises(error, match=message):
        download(published, **{"destination": out, **asked})
    assert not out.exists()


def test_the_collection_itself_is_no_destination(published):
    before = files(published)
    with pytest.raises(ValueError, match="is the folder of the collection itself"):
        download(published, published)
    assert files(published) == before


def test_splits_of_files_are_not_copied(published, out, tmp_path):
    pytest.importorskip("pyarrow")
    mlstac_hf.resplit(published, tmp_path / "lists", {"a": 0.5, "b": 0.5})
    with pytest.raises(ValueError, match="opened with splits="):
        download(mlstac_hf.open_collection(published, splits=tmp_path / "lists"), out)


# the destination


def test_files_of_others_are_left_alone(published, out):
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds notes\.txt, which no download brought"):
        download(published, out)
    assert [p.name for p in out.iterdir()] == ["notes.txt"]
    with pytest.raises(FileExistsError, match="expected a folder, found a file"):
        download(published, out / "notes.txt")


def test_another_selection_is_refused(published, out):
    download(published, out, limit=2)
    before = files(out)
    with pytest.raises(FileExistsError, match=r"began with limit=2, and this call has 3\. Go on"):
        download(published, out, limit=3)
    with pytest.raises(FileExistsError, match=r"began with split=\['train', 'test'\], and this call has \['train'\]"):
        download(published, out, split="train", limit=2)
    assert files(out) == before


def test_a_collection_that_changed_is_not_mixed_in(published, out):
    download(published, out)
    path = published / "train/0000001.safetensors"
    path.write_bytes(path.read_bytes())
    with pytest.raises(FileExistsError, match="its files have changed since"):
        download(published, out)


def test_a_note_that_cannot_be_read_is_not_trusted(published, out):
    download(published, out)
    (out / FOLDER / "record.json").write_text("{")
    with pytest.raises(FileExistsError, match="cannot be read, so this download cannot go on"):
        download(published, out)


def test_one_process_downloads(published, out, monkeypatch):
    pytest.importorskip("fcntl")
    bring = _work.Work._bring

    def nested(self, skipped):
        if self._staging.root == out and not nested.asked:
            nested.asked = True
            with pytest.raises(StoreError, match="another process downloads to this folder"):
                download(published, out)
        bring(self, skipped)

    nested.asked = False
    monkeypatch.setattr(_work.Work, "_bring", nested)
    download(published, out)
    assert nested.asked


def test_the_same_call_again_brings_nothing(published, server, out):
    address = f"{server.url}/published/main.json"
    download(address, out)
    before = files(out)
    server.requests.clear()
    result = download(address, out)
    assert (result.fetched, result.fetched_nbytes, result.files) == (0, 0, 12)
    assert not [path for method, path, _ in server.requests if method == "GET" and path.endswith(".safetensors")]
    assert files(out) == before


def test_what_was_lost_comes_again(published, server, out):
    address = f"{server.url}/published/main.json"
    download(address, out)
    before = files(out)
    (out / "train/0000003.safetensors").unlink()
    shutil.rmtree(out / "test")
    result = download(address, out)
    assert result.fetched == 4
    assert files(out) == before


def test_a_disk_that_fails_is_a_store_error(published, out):
    (out / FOLDER).mkdir(parents=True)
    (out / FOLDER / "parts").write_text("in the way")
    with pytest.raises(StoreError, match="could not write"):
        download(published, out)
    (out / FOLDER / "parts").unlink()
    assert download(published, out).fetched == 12


# bad samples


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_damaged_file_is_named_or_left_out(published, out):
    damage(published / "train/0000003.safetensors")
    with pytest.raises(CorruptSampleError, match=r"train/0000003\.safetensors \(sample 2\): expected bytes of sha256"):
        download(published, out)
    assert not (out / "main.json").exists()
    with pytest.warns(CollectionWarning, match=r"1 bad samples left out:\s+train/0000003.safetensors \(sample 2\)"):
        result = download(published, out, on_error="skip")
    assert result.samples == {"train": 8, "test": 3}
    assert len(result.skipped) == 1
    found = mlstac_hf.load(out, "numpy")
    assert [facts["id"] for facts in found.metadata[:]] == [f"tile-00{i}" for i in range(9) if i != 2]
    assert mlstac_hf.validate(out, deep=True).ok
    before = files(out)
    assert download(published, out).skipped == result.skipped
    assert files(out) == before


@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_without_checksums_headers_are_looked_at(tmp_path, server, out, pack):
    made = plain(tmp_path / "made", pack)
    path = sorted((made.folder / "train").iterdir())[1]
    path.write_bytes(b"\x01" * 40)
    with pytest.raises(CorruptSampleError, match=r"train/0000002\.safetensors"):
        download(f"{server.url}/made", out, split="train")
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        result = download(f"{server.url}/made", out, split="train", on_error="skip")
    assert result.samples == {"train": 4}


def test_a_file_that_is_not_there_is_named_or_left_out(collection, server, out):
    (collection.folder / "train/0000002.safetensors").unlink()
    with pytest.raises(MissingSampleError, match=r"train/0000002\.safetensors \(sample 1\)"):
        download(f"{server.url}/plain", out, split="train")
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        result = download(f"{server.url}/plain", out, split="train", on_error="skip")
    assert result.samples == {"train": 4}
    assert len(mlstac_hf.load(out, "numpy")) == 4


@pytest.mark.parametrize(("count", "error"), [(1000, MissingSampleError), (10**12, StoreError)])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_an_absurd_count_ends(server, out, collection, on_error, count, error):
    """Where hundreds in a row are not there, or where no disk has room for so many."""
    write_main(collection.folder, {**collection.document, "ml:train": {"n_items": count}})
    with pytest.raises(error, match="it is not there" if count == 1000 else "are to come"):
        download(f"{server.url}/plain", out, split="train", on_error=on_error)


def test_suffixes_may_differ(collection, server, out):
    path = collection.folder / "train/0000002.safetensors"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    for _ in range(2):
        result = download(f"{server.url}/plain", out, split="train")
    assert result.files == 5
    assert (out / "train/0000002.safetensors.gz").exists()
    check_same(f"{server.url}/plain", out, ["train"])


def test_a_symbolic_link_out_of_the_collection_is_not_followed(collection, out, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(save({"input": np.zeros(3)}))
    path = collection.folder / "train/0000002.safetensors"
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(LinkRefusedError):
        download(collection.address, out)
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        assert download(collection.address, out, on_error="skip").samples["train"] == 4


def test_sums_that_are_none_are_passed_over(published, out):
    document = json.loads((published / "main.json").read_bytes())
    del document["mlhf:checksums"]["train/SHA256SUMS"]
    (published / "main.json").write_text(json.dumps(document))
    (published / "train/SHA256SUMS").write_text("rubbish\n")
    with pytest.warns(CollectionWarning, match="train/SHA256SUMS is left out"):
        download(published, out)
    assert not (out / "train/SHA256SUMS").exists()


def test_sums_that_were_changed_are_an_error(published, out):
    with (published / "train/SHA256SUMS").open("a") as file:
        file.write("0" * 64 + "  x\n")
    with pytest.raises(CorruptSampleError, match=r"which main\.json names, found others"):
        download(published, out)


def test_main_json_that_changes_meanwhile_is_not_taken(published, out, monkeypatch):
    bring = _work.Work._bring

    def slow(self, skipped):
        bring(self, skipped)
        path = published / "main.json"
        path.write_bytes(path.read_bytes() + b"\n")

    monkeypatch.setattr(_work.Work, "_bring", slow)
    with pytest.raises(StoreError, match="changed while its samples were downloaded"):
        download(published, out)
    assert not (out / "main.json").exists()


def test_a_user_s_folder_is_found(published, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download(published, os.path.join("~", "mine"), limit=0).path == str(tmp_path / "mine")
    assert len(mlstac_hf.load(tmp_path / "mine", "numpy")) == 0
