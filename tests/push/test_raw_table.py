"""The table beside sample files of a raw push says what their headers say, and is used where it is of these files."""

from __future__ import annotations

import numpy as np
import pytest
from made import TRAITS
from misbehaving import MisbehavingServer
from publishing import DESCRIBED, samples
from tables import box_of

pytest.importorskip("datasets")
pytest.importorskip("cql2")
shapely = pytest.importorskip("shapely")

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import mlstac_hf  # noqa: E402
from mlstac_hf import MLSTACError  # noqa: E402
from mlstac_hf._push._raw import plan_raw  # noqa: E402
from mlstac_hf._reading import open_collection, open_split, origin_of  # noqa: E402
from mlstac_hf._reading._folder import SampleFolder  # noqa: E402
from mlstac_hf._reading._index import SampleTableIndex, index_of  # noqa: E402
from mlstac_hf._reading._sample_table import files_digest, table_beside  # noqa: E402


def published(address, folder):
    """The files of a raw push, in a folder."""
    collection = open_collection(address)
    planned = plan_raw(collection, list(collection.splits), folder / "work")
    for file in (*planned.files, planned.main("https://example.org")):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        file.make(folder / file.path)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Twelve samples with place, time and keys of every type."""
    mlstac_hf.write(samples(12), tmp_path / "made", mlstac_hf.Collection(id="made", **DESCRIBED), split="train")
    return published(tmp_path / "made", tmp_path / "published")


def indexes(source, digest="x", cache=None):
    """By the table, where it is used, and by the headers."""
    return [index_of(source, digest, skip=skip, cache_dir=cache) for skip in (False, True)]


def same(told, scanned):
    """That both indexes say the same of every sample."""
    columns = {name: [told.table.column(name).to_pylist(), told.table.schema.field(name).type] for name in
               told.table.column_names}  # fmt: skip
    assert columns == {
        name: [scanned.table.column(name).to_pylist(), scanned.table.schema.field(name).type]
        for name in scanned.table.column_names
    }
    for ask in (lambda index: index.times(None), lambda index: (index.geometries(),)):
        try:
            expected = ask(scanned)
        except MLSTACError as error:
            with pytest.raises(type(error), match=str(error).partition(";")[0].partition(".")[0]):
                ask(told)
            continue
        for found, wanted in zip(ask(told), expected, strict=True):
            if found.dtype == object:
                assert shapely.equals_exact(found, wanted, 1e-9).tolist() == [place is not None for place in wanted]
            else:
                np.testing.assert_array_equal(found, wanted)


def test_the_table_says_what_headers_say(folder):
    source = open_split(open_collection(folder), "train")
    told, scanned = indexes(source)
    assert isinstance(told, SampleTableIndex)
    assert not isinstance(scanned, SampleTableIndex)
    assert {"cloud", "orbit", "night", "note"} <= set(told.table.column_names)
    same(told, scanned)


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
@pytest.mark.parametrize("trait", [name for name in TRAITS if "http" not in name])
def test_of_every_collection_that_can_be_pushed(trait, tmp_path):
    made = TRAITS[trait](tmp_path / "made")
    try:
        folder = published(made.address, tmp_path / "published")
    except (MLSTACError, ValueError):
        return  # no push brings it
    finally:
        made.close()
    collection = open_collection(folder)
    for split in collection.splits:
        source = open_split(collection, split)
        if isinstance(source, SampleFolder) and len(source):
            told, scanned = indexes(source, cache=tmp_path)
            assert isinstance(told, SampleTableIndex) == ("user_keys" not in trait)  # called as tensors are
            same(told, scanned)


def test_a_selection_opens_no_file_but_the_table_and_what_was_chosen(hub, folder):
    hub.add_repository("user/raw", folder)
    asked = {"bbox": box_of(folder / "metadata" / "train.parquet", 3), "datetime": "2020-01-03/2020-01-06"}
    found = mlstac_hf.load("user/raw", "numpy", filter="orbit > 1 AND night", **asked)
    assert [found.metadata[index]["id"] for index in range(len(found))] == ["tile-003"]
    slow = mlstac_hf.load(folder, "numpy", filter="orbit > 1 AND night", on_error="skip", **asked)
    np.testing.assert_array_equal(found[0]["input"], slow[0]["input"])
    fetched = {path.rpartition("/")[2] for path, nbytes in hub.sent.items() if nbytes and "/cdn/" not in path}
    assert not any("safetensors" in name for name in fetched)
    assert len([path for path in hub.sent if path.startswith("/cdn/")]) <= 2


def rewritten(folder, change):
    """The table, after `change`."""
    path = folder / "metadata" / "train.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def without_note(table):
    return table.replace_schema_metadata({})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "metadata" / "train.parquet").unlink(),
        lambda folder: (folder / "metadata" / "train.parquet").write_bytes(b"no table"),
        lambda folder: rewritten(folder, without_note),
        lambda folder: rewritten(folder, lambda table: table.slice(1)),
        lambda folder: rewritten(folder, lambda table: table.drop_columns(["geometry"])),
        lambda folder: rewritten(folder, lambda table: table.drop_columns(["id"])),
        lambda folder: rewritten(
            folder,
            lambda table: table.set_column(
                table.column_names.index("end_datetime"), "end_datetime", pa.array(["soon"] * table.num_rows)
            ),
        ),
        lambda folder: (folder / "train" / "0000003.safetensors").unlink(),
        lambda folder: (folder / "train" / "0000003.safetensors").rename(folder / "train" / "000000Z.safetensors"),
        lambda folder: (folder / "train" / "0000003.safetensors").write_bytes(
            (folder / "train" / "0000003.safetensors").read_bytes() + b" "
        ),
    ],
    ids=["none", "no parquet", "no note", "fewer", "no outline", "no id", "no time", "gone", "renamed", "grown"],
)
@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
def test_a_table_that_is_not_of_these_files_is_not_used(folder, spoil):
    spoil(folder)
    source = open_split(open_collection(folder), "train")
    assert table_beside(source) is None


def test_a_server_that_lists_nothing_is_asked_for_headers(folder):
    with MisbehavingServer(folder) as server:
        collection = open_collection(f"{server.url}/main.json", trust_links=True)
        source = open_split(collection, "train")
        index = index_of(source, origin_of(collection).digest, skip=False, cache_dir=None)
    assert not isinstance(index, SampleTableIndex)
    assert index.table.num_rows == 12


def test_what_vouches_is_names_and_sizes_in_order():
    files = [("train/a", 1), ("train/b", 2)]
    others = [[("train/a", 1)], files[::-1], [("train/a", 1), ("train/b", 3)], [("train/a", 12), ("train/b", None)], []]
    assert len({files_digest(every) for every in (files, *others)}) == 6
