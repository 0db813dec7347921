"""`load(stream=True)`: the samples of `load`, nothing listed or fetched but what is asked for, whatever the size."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from containers import make_containers, pack
from layouts import KINDS, images, write_kind
from misbehaving import Answers, MisbehavingServer
from safetensors.numpy import save
from writing import name_of, pack_single

import mlstac_hf
from mlstac_hf import CollectionWarning, CorruptSampleError, InvalidCollectionError, MissingSampleError
from mlstac_hf._reading import open_collection, open_split, streaming

MANY = 100_000
MOST_REQUESTS = 4


def stream(address, **options):
    return mlstac_hf.load(address, "numpy", stream=True, **options)


def image(index):
    return np.full((2, 3, 3), index, np.uint32)


def payload(index):
    return save({"input": image(index)}, {"crs": "EPSG:32633"})


def write_samples(folder, count, *, compressed):
    """The first three files of a collection that claims `count`, and the last."""
    (folder / "train").mkdir(parents=True)
    for index in (0, 1, 2, count - 1):
        name = f"{name_of(index)}.safetensors"
        data = payload(index)
        path = folder / "train" / (f"{name}.gz" if compressed else name)
        path.write_bytes(pack_single(data) if compressed else data)
    document = {"id": "many", "ml:task": "TensorToTensor", "ml:train": {"n_items": count, "link": ""}}
    (folder / "main.json").write_text(json.dumps(document))


def write_containers(folder, count, each=1000, *, table=True, sizes=True):
    """The first of many containers, and the table that knows of all."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (folder / "train").mkdir(parents=True)
    data = pack({f"datapoint_{index:07d}": payload(index) for index in range(each)})
    names = [f"train_{number:04d}.mlstac" for number in range(count // each)]
    (folder / "train" / names[0]).write_bytes(data)
    if table:
        ids = [f"datapoint_{index:07d}" for index in range(count)]
        urls = [f"https://example.invalid/train/{names[index // each]}" for index in range(count)]
        pq.write_table(pa.table({"datapoint_id": ids, "url": urls}), folder / "train" / "metadata.parquet")
    split = {"name": "train", "data_files": [f"https://example.invalid/train/{name}" for name in names]}
    split |= {"data_checksum": [len(data)] * len(names)} if sizes else {}
    (folder / "main.json").write_text(
        json.dumps({"id": "many", "ml_task": ["image-segmentation"], "ml_catalog": {"train": split}})
    )


@pytest.mark.parametrize("count", [100, MANY, 10 * MANY])
@pytest.mark.parametrize("layout", ["plain", "gz"])
def test_over_http_the_first_sample_takes_few_requests_however_many_there_are(tmp_path, layout, count):
    write_samples(tmp_path, count, compressed=layout == "gz")
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        assert len(split) == count
        np.testing.assert_array_equal(split[0]["input"], image(0))
        assert len(server.requests) <= MOST_REQUESTS
        np.testing.assert_array_equal(split[-1]["input"], image(count - 1))
        assert len(server.requests) <= MOST_REQUESTS + 1


@pytest.mark.parametrize("count", [1000, MANY])
def test_of_many_containers_only_the_one_that_is_needed_is_opened(tmp_path, count):
    write_containers(tmp_path, count)
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        assert len(split) == count
        np.testing.assert_array_equal(split[7]["input"], image(7))
        assert len(server.requests) <= MOST_REQUESTS
        assert split.metadata[999]["id"] == "datapoint_0000999"
        assert len({request.path for request in server.requests}) == 3
        if count > 1000:
            with pytest.raises(mlstac_hf.StoreError, match=r"train_0001\.mlstac is gone"):
                split[1000]


def test_of_one_container_without_a_table_few_requests_do(tmp_path):
    write_containers(tmp_path, 1000, table=False)
    with MisbehavingServer(tmp_path) as server:
        assert stream(f"{server.url}/main.json")[7]["input"].flat[0] == 7
        assert len(server.requests) <= 10  # each place of a table and of a container is looked at


@pytest.mark.parametrize("layout", ["plain", "gz", "containers"])
def test_on_the_hub_nothing_is_listed_and_nothing_is_kept(tmp_path, hub, layout):
    pytest.importorskip("huggingface_hub")
    if layout == "containers":
        write_containers(tmp_path / "made", MANY)
    else:
        write_samples(tmp_path / "made", MANY, compressed=layout == "gz")
    hub.add_repository("user/many", tmp_path / "made")
    split = stream("user/many")
    assert len(split) == MANY
    assert split[1]["input"].flat[0] == 1
    assert not hub.asked(".*/tree/.*")
    aside = len(hub.asked(".*/revision/.*")) + len(hub.asked("/cdn/.*"))
    assert len(hub.requests) - aside <= MOST_REQUESTS
    kept = {path.name for path in (tmp_path / "hf").rglob("*") if path.is_file() or path.is_symlink()}
    assert kept <= {"main", "main.json", *(path.name for path in (tmp_path / "hf").rglob("blobs/*"))}
    assert not any("train" in str(path) for path in (tmp_path / "hf").rglob("*"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["disk", "http", "hub", "memory"])
def test_every_sample_is_that_of_load(tmp_path, request, kind, where):
    folder = write_kind(kind, tmp_path / "made", {"train": images(9, (3, 8, 8)), "test": images(2, (3, 8, 8))})
    expected = [sample["input"] for sample in mlstac_hf.load(folder, "numpy")]
    address = folder
    if where == "hub":
        pytest.importorskip("huggingface_hub")
        request.getfixturevalue("hub").add_repository("user/demo", folder)
        address = "user/demo"
    elif where == "http":
        address = f"{request.getfixturevalue('server').url}/made/main.json"
    elif where == "memory":
        import fsspec

        fsspec.filesystem("memory").put(str(folder), f"/stream-{kind}", recursive=True)
        address = f"memory://stream-{kind}"
    split = pickle.loads(pickle.dumps(stream(address)))
    assert len(split) == 9
    for found in (list(split), [split[index] for index in range(9)]):
        assert [sample["input"].dtype for sample in found] == [array.dtype for array in expected]
        assert all(np.array_equal(one["input"], other) for one, other in zip(found, expected, strict=True))
    assert [row["input"].tobytes() for row in split.stored()] == [array.tobytes() for array in expected]
    np.testing.assert_array_equal(split[[8, 0]]["input"], np.stack([expected[8], expected[0]]))


def test_a_selection_is_streamed(tmp_path, server):
    pytest.importorskip("rasterio")
    pytest.importorskip("cql2")
    made = make_containers(tmp_path / "made", counts={"train": (3, 4, 2)})
    split = stream(f"{server.url}/made/main.json", filter="label_type = 'high'", bands=[1])
    expected = [raster[1:2] for number, raster in enumerate(made.rasters["train"]) if number % 2]
    assert [sample["input"].tobytes() for sample in split] == [array.tobytes() for array in expected]
    few = stream(f"{server.url}/made/main.json", limit=4)
    assert [sample["input"].tobytes() for sample in few] == [a.tobytes() for a in made.rasters["train"][:4]]


def test_a_count_that_is_too_large_is_an_error_at_the_first_sample_that_is_not_there(tmp_path):
    write_samples(tmp_path, MANY, compressed=False)
    with MisbehavingServer(tmp_path) as server:
        found = iter(stream(f"{server.url}/main.json"))
        assert [next(found)["input"].flat[0] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(MissingSampleError, match="sample 3"):
            next(found)
        with pytest.warns(CollectionWarning, match="1 bad samples left out"), pytest.raises(InvalidCollectionError):
            list(stream(f"{server.url}/main.json", on_error="skip"))


def test_where_main_json_does_not_count_the_folder_is_listed(collection, hub):
    pytest.importorskip("huggingface_hub")
    document = json.loads((collection.folder / "main.json").read_text())
    for split in ("ml:train", "ml_train"):
        document.get(split, {}).pop("n_items", None)
    (collection.folder / "main.json").write_text(json.dumps(document))
    hub.add_repository("user/uncounted", collection.folder)
    assert len(stream("user/uncounted")) == len(collection.splits["train"])
    assert hub.asked(".*/tree/.*")


@pytest.mark.parametrize("rows", [6, 4])
def test_a_table_that_miscounts_a_container_spoils_no_other_sample(tmp_path, rows):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    made = make_containers(tmp_path, counts={"train": (5, 3)}, plain=True)
    table = pq.read_table(tmp_path / "train" / "metadata.parquet").to_pylist()
    of_first = [row for row in table if row["url"].endswith("train_2.mlstac")]
    others = [row for row in table if row not in of_first]
    more = {**of_first[0], "datapoint_id": "nobody"}
    pq.write_table(
        pa.Table.from_pylist([*([*of_first, more] if rows == 6 else of_first[:4]), *others]),
        tmp_path / "train" / "metadata.parquet",
    )
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        assert len(split) == rows + 3
        with pytest.warns(CollectionWarning, match=f"holds 5 datapoints, .* has {rows} rows"):
            assert split[3]["target"].tobytes() == made.rasters["train"][3][4:].tobytes()
        assert split[rows]["target"].tobytes() == made.rasters["train"][5][4:].tobytes()
        if rows == 6:
            with pytest.raises(CorruptSampleError, match="has 6 rows of the file, and it holds 5"):
                split[5]


def test_a_size_that_main_json_claims_wrongly_is_asked_about(tmp_path):
    pytest.importorskip("pyarrow")
    made = make_containers(tmp_path, counts={"train": (5,)}, plain=True)
    made.document["ml_catalog"]["train"]["data_checksum"] = [2000]
    (tmp_path / "main.json").write_text(json.dumps(made.document))
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        assert [sample["target"].tobytes() for sample in split] == [r[4:].tobytes() for r in made.rasters["train"]]


@pytest.mark.parametrize("sizes", [True, False])
def test_a_container_with_a_broken_header_fails_at_the_turn_of_its_samples(tmp_path, sizes):
    pytest.importorskip("pyarrow")
    made = make_containers(tmp_path, counts={"train": (3, 2)}, plain=True)
    (tmp_path / "train" / "train_1.mlstac").write_bytes(b"#y" + bytes(100))
    if not sizes:
        del made.document["ml_catalog"]["train"]["data_checksum"]
        (tmp_path / "main.json").write_text(json.dumps(made.document))
    with MisbehavingServer(tmp_path) as server:
        found = iter(stream(f"{server.url}/main.json"))
        assert [next(found)["target"].tobytes() for _ in range(3)] == [
            raster[4:].tobytes() for raster in made.rasters["train"][:3]
        ]
        with pytest.raises(CorruptSampleError, match=r"train_1\.mlstac"):
            next(found)


def test_a_table_that_names_no_containers_or_not_all_is_no_reason_not_to_open_them(tmp_path):
    pytest.importorskip("pyarrow")
    made = make_containers(tmp_path, counts={"train": (3, 2)}, plain=True, rename={"url": "somewhere"})
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        assert [sample["target"].tobytes() for sample in split] == [r[4:].tobytes() for r in made.rasters["train"]]


def test_a_stream_knows_when_its_containers_change(tmp_path):
    pytest.importorskip("pyarrow")
    make_containers(tmp_path, counts={"train": (3, 2)}, plain=True)
    with MisbehavingServer(tmp_path) as server:
        opened = [open_split(streaming(open_collection(f"{server.url}/main.json")), "train") for _ in range(2)]
        before, same = (source.fingerprint() for source in opened)
        assert before == same
        path = tmp_path / "train" / "train_1.mlstac"
        path.write_bytes(path.read_bytes() + b" ")
        later = open_split(streaming(open_collection(f"{server.url}/main.json")), "train")
        assert later.fingerprint() != before
        assert later.rows[-2:] == [later.rows[3], later.rows[4]]
        with pytest.raises(IndexError):
            later.rows[5]


def test_how_much_will_come_is_said_before_it_does(tmp_path, monkeypatch, caplog):
    pytest.importorskip("rasterio")
    pytest.importorskip("pyarrow")
    make_containers(tmp_path, counts={"train": (3, 2)})
    monkeypatch.setattr("mlstac_hf._reading._size.LARGE", 100)
    with MisbehavingServer(tmp_path) as server:
        stream(f"{server.url}/main.json", limit=2)
        server.reset_counts()
        assert "2 of 5 samples of split train, about" in caplog.text


def test_a_server_that_fails_is_an_error_at_the_turn_of_the_sample(tmp_path):
    write_samples(tmp_path, 3, compressed=False)
    with MisbehavingServer(tmp_path) as server:
        split = stream(f"{server.url}/main.json")
        server.add(Answers(400), f"*{name_of(1)}*")
        found = iter(split)
        assert next(found)["input"].flat[0] == 0
        with pytest.raises(mlstac_hf.StoreError, match="answers 400"):
            next(found)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("for sample in split: break", 0),
        ("for sample in split: raise KeyboardInterrupt", -2),
        ("samples = iter(split); next(samples)", 0),
    ],
    ids=["break", "error", "kept"],
)
def test_a_process_ends_without_asking_again_for_what_nobody_waits_for(server, end, code):
    failed = []

    def fails_late(request):
        if request.path.endswith(("main.json", f"{name_of(0)}.safetensors")):
            return False
        failed.append(request.path)
        time.sleep(0.5)
        return request.answer(503, b"", {"Retry-After": "15"})

    write_samples(server.folder / "many", 100, compressed=False)
    server.tricks["*"] = fails_late
    script = f"import mlstac_hf\nsplit = mlstac_hf.load('{server.url}/many', 'numpy', stream=True)\n{end}"
    ran = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, timeout=40, check=False)
    assert ran.returncode == code, ran.stderr
    assert failed
    assert len(set(failed)) == len(failed)
