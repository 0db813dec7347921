"""Downloads of containers: whole ones as they are, and chosen payloads, unchanged, in containers of ours."""

from __future__ import annotations

import contextlib
import hashlib
import json

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("rasterio")

import pyarrow.parquet as pq
from containers import make_containers
from downloads import check_same, files

import mlstac_hf
from mlstac_hf import CollectionWarning, CorruptSampleError, InvalidCollectionError, MissingSampleError, download
from mlstac_hf._download import _fetch

COUNTS = {"train": (3, 2, 4), "test": (2,)}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(params=["http", "disk"])
def where(request, tmp_path):
    """What makes an address of a folder in `tmp_path`."""
    if request.param == "disk":
        return str
    server = request.getfixturevalue("server")
    return lambda folder: f"{server.url}/{folder.relative_to(tmp_path)}/main.json"


def payloads(path):
    """The payloads of a container by id, read without us."""
    data = path.read_bytes()
    length = int.from_bytes(data[2:10], "little")
    places = json.loads(data[10 : 10 + length])
    return {name: data[10 + length + begin :][:size] for name, (begin, size) in places.items()}


def test_whole_containers_are_the_published_bytes(tmp_path, where, out):
    made = make_containers(tmp_path / "made", counts=COUNTS)
    assert download(where(made.folder), out).samples == {"train": 9, "test": 2}
    assert files(out) == files(made.folder)


def test_those_that_an_upstream_download_laid_are_found(tmp_path, out):
    made = make_containers(tmp_path / "made", counts=COUNTS, layout="mls")
    download(made.folder, out, split="train")
    assert {p.name for p in (out / "train").iterdir()} == {p.name for p in (made.folder / "train/mls").iterdir()}
    check_same(made.folder, out, ["train"])


@pytest.mark.parametrize("part", [None, 700])
@pytest.mark.parametrize("packing", [{}, {"plain": True}, {"compact": True, "padding": 7}])
@pytest.mark.parametrize(
    "asked", [{"limit": 4}, {"filter": "label_type = 'high'"}, {"datetime": "2020-06-01/2020-06-05"}, {"limit": 0}]
)
def test_a_selection_keeps_payloads_and_rows(tmp_path, where, out, packing, asked, part, monkeypatch):
    if "filter" in asked:
        pytest.importorskip("cql2")
    monkeypatch.setattr(_fetch, "PART", part or _fetch.PART)
    made = make_containers(tmp_path / "made", counts=COUNTS, **packing)
    result = download(where(made.folder), out, **asked)
    check_same(made.folder, out, result.samples, **asked)
    report = mlstac_hf.validate(out, deep=True)
    assert report.ok, str(report)
    for path in out.glob("*/*.mlstac"):
        original = made.folder / path.relative_to(out)
        assert payloads(path).items() <= payloads(original).items()
        if len(payloads(path)) == len(payloads(original)):
            assert path.read_bytes() == original.read_bytes()
    for path in out.glob("*/metadata.parquet"):
        table, before = pq.read_table(path), pq.read_table(made.folder / path.relative_to(out))
        assert table.schema.equals(before.schema, check_metadata=True)
        assert table.num_rows == result.samples[path.parent.name]


def test_checksums_are_of_what_lies_there(tmp_path, out):
    made = make_containers(tmp_path / "made", counts={"train": (3, 2)})
    sums = {
        f"train/{path.name}": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in (made.folder / "train").iterdir()
    }
    (made.folder / "main.json").write_text(json.dumps({**made.document, "mlhf:checksums": sums}))
    download(made.folder, out, limit=4)
    found = json.loads((out / "main.json").read_bytes())["mlhf:checksums"]
    assert found == {path: f"sha256:{digest}" for path, digest in files(out).items() if path != "main.json"}
    assert [path for path, digest in found.items() if digest == sums[path]] == ["train/train_2.mlstac"]


def test_a_wrong_checksum_is_named(tmp_path, out):
    made = make_containers(tmp_path / "made", counts=COUNTS)
    document = {**made.document, "mlhf:checksums": {"train/train_2.mlstac": f"sha256:{'0' * 64}"}}
    (made.folder / "main.json").write_text(json.dumps(document))
    with pytest.raises(CorruptSampleError, match=r"train/train_2\.mlstac: expected bytes of sha256:0000"):
        download(made.folder, out)
    with pytest.warns(CollectionWarning, match="2 bad samples left out"):
        result = download(made.folder, out, on_error="skip")
    assert result.samples == {"train": 7, "test": 2}
    assert len(mlstac_hf.load(out, "numpy")) == 7


def spoil(path, index):
    """Overwrite the first bytes of a payload but for those that say what it is."""
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[2:10], "little")
    begin, size = list(json.loads(data[10 : 10 + length]).values())[index]
    data[10 + length + begin + 8 : 10 + length + begin + size] = b"\xff" * (size - 8)
    path.write_bytes(data)


def test_a_damaged_payload_is_named_or_left_out(tmp_path, where, out):
    made = make_containers(tmp_path / "made", counts=COUNTS, plain=True)
    spoil(made.folder / "train/train_2.mlstac", 1)
    address = where(made.folder)
    with pytest.raises(CorruptSampleError, match=r"train_2\.mlstac: datapoint 'ROI_004'"):
        download(address, out)
    assert not (out / "main.json").exists()
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        result = download(address, out, on_error="skip")
    assert result.samples == {"train": 8, "test": 2}
    found = mlstac_hf.load(out, "numpy")
    assert [facts["id"] for facts in found.metadata[:]] == [n for n in made.names["train"] if n != "ROI_004"]
    assert mlstac_hf.validate(out, deep=True).ok
    before = files(out)
    again = download(address, out)
    assert (again.fetched, again.skipped) == (0, result.skipped)
    (out / "train/train_2.mlstac").unlink()
    assert download(address, out).fetched == 1
    assert files(out) == before


def test_a_place_that_is_wrong_is_named_before_anything_comes(tmp_path, out):
    made = make_containers(tmp_path / "made", counts={"train": (3,)}, plain=True, table=False)
    path = made.folder / "train/train_1.mlstac"
    path.write_bytes(path.read_bytes()[:-5])
    document = json.loads((made.folder / "main.json").read_bytes())
    document["ml_catalog"]["train"].pop("data_checksum")
    (made.folder / "main.json").write_text(json.dumps(document))
    with pytest.raises(CorruptSampleError, match=r"datapoint 'ROI_002'.* the file has"):
        download(made.folder, out)
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        assert download(made.folder, out, on_error="skip").samples == {"train": 2}
    assert len(mlstac_hf.load(out, "numpy")) == 2


def test_one_that_is_gone_meanwhile_is_named(tmp_path, server, out):
    made = make_containers(tmp_path / "made", counts=COUNTS)
    whole = (made.folder / "train/train_3.mlstac").stat().st_size
    server.tricks["/made/train/train_3.mlstac"] = lambda handler: (
        handler.headers.get("Range", "").endswith(f"-{whole}") and handler.answer(404)
    )
    with pytest.raises(MissingSampleError, match=r"train/train_3\.mlstac: expected .*, and it is not there"):
        download(f"{server.url}/made", out)


@pytest.mark.parametrize("name", ["metadata.parquet", ".hidden.mlstac"])
def test_names_that_are_those_of_others_are_refused(tmp_path, server, out, name):
    made = make_containers(tmp_path / "made", counts={"train": (3,)}, table=False)
    (made.folder / "train/train_1.mlstac").rename(made.folder / "train" / name)
    made.document["ml_catalog"]["train"] = {"data_files": [f"https://example.invalid/train/{name}"]}
    (made.folder / "main.json").write_text(json.dumps(made.document))
    told = pytest.warns(CollectionWarning) if name == "metadata.parquet" else contextlib.nullcontext()
    with told, pytest.raises(InvalidCollectionError, match="containers with names of their own"):
        download(f"{server.url}/made", out)


def test_what_nobody_here_reads_comes_all_the_same(tmp_path, out):
    from containers import pack

    made = make_containers(tmp_path / "made", counts={"train": (3,)}, table=False)
    made.document["ml_catalog"]["train"].pop("data_checksum")
    (made.folder / "main.json").write_text(json.dumps(made.document))
    (made.folder / "train/train_1.mlstac").write_bytes(pack({"a": b"of a kind of its own", "b": b"another"}))
    assert download(made.folder, out).samples == {"train": 2}
    assert files(out) == files(made.folder)


def test_a_table_that_is_lost_comes_back(tmp_path, out):
    made = make_containers(tmp_path / "made", counts={"train": (3,)})
    download(made.folder, out, limit=2)
    there = files(out)
    (out / "train" / "metadata.parquet").unlink()
    assert download(made.folder, out, limit=2).fetched == 0
    assert files(out) == there
