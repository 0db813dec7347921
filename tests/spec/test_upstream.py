"""What we write is read by the packages whose dialects these are, each in an environment of its own.

`MLSTAC_UPSTREAM` says where they are, such as `/tmp/upenv-{}/bin/python`; without it these tests are skipped.
"""

import functools
import gzip
import http.server
import json
import os
import pathlib
import subprocess
import threading

import numpy as np
import pytest
import safetensors.numpy

from mlstac_hf import Catalog, Collection
from mlstac_hf._spec import DataFile, encode_name, main_json

PYTHON = os.environ.get("MLSTAC_UPSTREAM", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="MLSTAC_UPSTREAM does not say where the upstream packages are")

PONDS = Collection(
    id="ponds",
    title="Ponds",
    description="Ponds from above",
    license="CC-BY-4.0",
    task=["TensorSegmentation"],
    labels={"land": 0, "water": 1},
    sensor="Sentinel-2",
    bands=["B04", "B03", "B02"],
    band_axis=0,
    dimensions={"input": [{"axis": 0, "name": "C"}, {"axis": 1, "name": "H"}, {"axis": 2}], "target": [{"axis": 0}]},
    providers=[{"name": "ESA", "roles": ["producer", "author"], "url": "https://esa.int"}],
    authors=[{"name": "Ada", "emails": ["ada@example.org"], "links": ["https://example.org"]}],
    reviewers=[{"name": "Bo", "organization": "X", "score": 4}],
    links=[{"href": "https://example.org/license"}],
    split_strategy="by tile",
    paper="10.1038/s41597-022-01878-2",
)


@pytest.fixture
def served(tmp_path):
    """A folder and the URL it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.func.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def upstream(version, script, folder, *arguments):
    """What a script prints last, in the environment of one version."""
    environment = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.environ["PATH"]}
    command = [PYTHON.format(version), "-c", script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


SAMPLES = """
import json, sys, mlstac
secret, framework = sys.argv[1:]
whole = mlstac.load(secret, framework=framework, split="train", verbose=False)
stream = mlstac.load(secret, framework=framework, split="train", stream=True, verbose=False)
default = mlstac.load(secret, framework=framework, verbose=False) if framework == "torch" else whole
print(json.dumps([len(whole), len(default), list(stream[1]["input"].shape), float(stream[1]["input"].max())]))
"""


@pytest.mark.parametrize(("version", "framework"), [("0.0.12", "numpy"), ("0.0.23", "torch")])
def test_mlstac_0_0_loads_the_sample_layout_whole_streamed_and_by_default(version, framework, served, tmp_path):
    folder, url = served
    (folder / "train").mkdir()
    for index in range(3):
        data = safetensors.numpy.save({"input": np.full((3, 4, 5), index, np.float32)})
        (folder / "train" / f"{encode_name(index)}.safetensors.gz").write_bytes(gzip.compress(data))
    ponds = PONDS.model_copy(update={"splits": {"train": Catalog(name="train", n_items=3)}})
    (folder / "main.json").write_text(json.dumps(main_json(ponds, "samples", base=url)))
    found = upstream(version, SAMPLES, tmp_path, f"{url}/main.json", framework)
    assert found == [3, 3, [3, 4, 5], 1.0]


CONTAINERS = """
import json, sys, mlstac, pandas
address, rows = sys.argv[1], json.loads(sys.argv[2])
mlstac.utils.compress_string = lambda text: "kept"  # a file name in base64 has slashes, by chance
for path, records in rows.items():
    pandas.DataFrame(records).to_parquet(path)
found = mlstac.load(address, force=True)
data = mlstac.get_data(found.metadata.iloc[:1].assign(state="local", file_path=sys.argv[3]), backend="bytes",
    save_metadata_datapoint=True, quiet=True)
collection = found.collection
print(json.dumps([
    len(found.metadata), data[0][0].decode(), collection.id, collection.ml_target.labels,
    [band.name for band in collection.ml_spectral.bands], collection.ml_split_strategy,
    collection.ml_authors.authors[0].emails[0].value, collection.providers.field[0].roles,
    collection.ml_reviewers.reviewers[0].score,
]))
"""


@pytest.mark.parametrize("names", [("train",), ("train", "validation", "test")])
def test_mlstac_0_1_loads_the_container_layout(names, served, tmp_path):
    folder, url = served
    splits, rows = {}, {}
    for name in names:
        (folder / name / "mls").mkdir(parents=True)
        header = json.dumps({f"{name}-0": [0, 5], f"{name}-1": [5, 5]}).encode()
        container = folder / name / "mls" / "all.mlstac"
        container.write_bytes(b"#y" + len(header).to_bytes(8, "little") + header + b"firstother")
        splits[name] = Catalog(
            name=name,
            data_files=(DataFile(href=f"{name}/mls/all.mlstac", nbytes=container.stat().st_size),),
            metadata_file=f"{name}/mls/metadata.parquet",
            metadata_checksum=1,
        )
        rows[str(folder / name / "mls" / "metadata.parquet")] = [
            {"datapoint_id": key, "begin": begin, "length": 5, "metadata_length": len(header), "url": "x/all.mlstac"}
            for key, begin in ((f"{name}-0", 0), (f"{name}-1", 5))
        ]
    ponds = PONDS.model_copy(update={"splits": splits})
    (folder / "main.json").write_text(json.dumps(main_json(ponds, "container", base=url)))
    addresses = [folder / "main.json", f"{url}/main.json"] if len(names) == 3 else [folder / "main.json"]
    for address in map(str, addresses):  # over http it opens all three splits
        first = str(pathlib.Path(folder, "train/mls/all.mlstac"))
        found = upstream("0.1.8", CONTAINERS, tmp_path, address, json.dumps(rows), first)
        assert found == [
            *(2 * len(names), "first", "ponds", PONDS.labels, ["B04", "B03", "B02"], "other"),
            *("ada@example.org", ["producer"], 4),
        ]
