"""Samples of every framework and container of samples, in their own dtypes."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import ml_dtypes
import numpy as np
import pytest
from publishing import DESCRIBED, LOOSE, sample, samples

import mlstac_hf
from mlstac_hf import Collection, UnsupportedDtypeError

pytestmark = pytest.mark.filterwarnings(LOOSE)

BARE = Collection(id="bare", **DESCRIBED)
DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64"),
)


def array(dtype, shape=(2, 3)):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return (values % 2 if dtype == "bool" else values + (1j if dtype == "complex64" else 0)).astype(kind)


def written(given, folder, **options):
    mlstac_hf.write(given, folder, BARE, **options)
    return mlstac_hf.load(folder, "numpy")


def assert_equal(found, expected):
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3), (1, 2, 3, 1, 2, 1)])
def test_numpy(tmp_path, dtype, shape):
    expected = array(dtype, shape)
    given = [expected, np.array(expected, order="F"), expected.astype(expected.dtype.newbyteorder(">"), copy=False)]
    if expected.dtype.isbuiltin != 1:
        given.pop()
    split = written([{"extra": one, "input": expected} for one in given], tmp_path)
    for one in split:
        assert_equal(one["extra"], expected)
        assert_equal(one["input"], expected)


def test_numpy_views(tmp_path):
    whole = np.arange(60, dtype="int16").reshape(3, 4, 5)
    views = [whole[:, ::2, ::-1], whole.T, whole[1], np.broadcast_to(whole[0, 0], (2, 5))]
    for one, expected in zip(written([{"input": view} for view in views], tmp_path), views, strict=True):
        assert_equal(one["input"], np.ascontiguousarray(expected))


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    expected = array(dtype)
    bits = torch.from_numpy(expected.view(f"u{expected.itemsize}") if expected.dtype.isbuiltin != 1 else expected)
    tensor = bits.view(getattr(torch, dtype)) if expected.dtype.isbuiltin != 1 else bits
    given = [{"input": tensor}, {"input": tensor.t().contiguous().t()}, (tensor, tensor[0, 0])]
    split = written(given, tmp_path)
    for one in split:
        assert_equal(one["input"], expected)
    assert_equal(split[2]["target"], expected[0, 0].reshape(()))


def test_torch_tensors_of_odd_kinds(tmp_path):
    torch = pytest.importorskip("torch")
    complex_ = torch.tensor([1 + 2j, 3 - 1j])
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    split = written([(complex_.conj(), parameter), (complex_.conj().imag, parameter * 2)], tmp_path)
    assert_equal(split[0]["input"], np.array([1 - 2j, 3 + 1j], np.complex64))
    assert_equal(split[0]["target"], np.ones((2, 2), np.float32))
    assert_equal(split[1]["input"], np.array([-2, 1], np.float32))
    with pytest.raises(UnsupportedDtypeError, match="sample 0: found a torch tensor that is sparse or quantized"):
        written([{"input": torch.eye(3).to_sparse()}], tmp_path / "sparse")


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensorflow(tmp_path, dtype):
    tf = pytest.importorskip("tensorflow")
    expected = array(dtype)
    split = written([{"input": tf.constant(expected), "id": tf.constant("a"), "note": tf.constant("ü")}], tmp_path)
    assert_equal(split[0]["input"], expected)
    assert (split.metadata[0]["id"], split.metadata[0]["note"]) == ("a", "ü")


def test_tf_data(tmp_path):
    tf = pytest.importorskip("tensorflow")
    columns = {"input": np.arange(12, dtype="uint16").reshape(3, 4), "target": ["a", "b", "ü"], "n": [1, 2, 3]}
    split = written(tf.data.Dataset.from_tensor_slices(columns), tmp_path)
    assert [one["target"] for one in split] == columns["target"]
    assert_equal(split[1]["input"], columns["input"][1])
    assert [one["n"] for one in split.metadata[:]] == [1, 2, 3]
    ragged = tf.data.Dataset.from_tensors(tf.ragged.constant([[1], [2, 3]]))
    with pytest.raises(UnsupportedDtypeError, match="RaggedTensor"):
        written(({"input": one} for one in ragged), tmp_path / "ragged")


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in ("uint64", "int64", "float64")])
def test_jax(tmp_path, dtype):
    jnp = pytest.importorskip("jax.numpy")
    expected = array(dtype)
    assert_equal(written([{"input": jnp.asarray(expected)}], tmp_path)[0]["input"], expected)


@pytest.mark.paddle
@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in ("uint16", "uint32", "uint64")])
def test_paddle(tmp_path, dtype):
    pytest.importorskip("paddle")
    from mlstac_hf._frameworks import framework

    expected = array(dtype)
    tensor = framework("paddle").from_numpy(expected)
    assert_equal(written([{"input": tensor}], tmp_path)[0]["input"], expected)


def test_no_framework_is_imported(tmp_path):
    code = (
        "import sys, numpy, mlstac_hf\n"
        f"bare = mlstac_hf.Collection(id='bare', **{DESCRIBED!r})\n"
        f"mlstac_hf.write([(numpy.ones((1, 2, 2)), 1)], {str(tmp_path)!r}, bare)\n"
        "heavy = {'torch', 'tensorflow', 'jax', 'paddle', 'datasets', 'pyarrow', 'rasterio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"input": np.array(["a", "b"])},
            UnsupportedDtypeError,
            r"sample 0: input: expected numbers .* found <U1 \(2,\)",
        ),
        ({"input": np.ones(2, "complex128")}, UnsupportedDtypeError, "found complex128"),
        ({"input": np.ones(2, "datetime64[s]")}, UnsupportedDtypeError, "found datetime64"),
        ({"input": object()}, UnsupportedDtypeError, "found object"),
        ({"input": [[1], [2, 3]]}, ValueError, "sample 0: .*inhomogeneous"),
        ({"input": np.ma.masked_array([1, 2], [True, False])}, TypeError, "masked array"),
        ({"image": np.ones(2), "mask": np.ones(2)}, ValueError, "found 'image', 'mask'. Rename your keys"),
        ({}, ValueError, "found nothing"),
        ({"input": np.ones(2), "extra": "text"}, ValueError, "extra: expected an array, found a text"),
        ({"input": np.ones(2), "target": ""}, ValueError, "an empty text is only read as one where the task says"),
        ({"input": "\ud800"}, ValueError, "half a surrogate pair"),
        ({"input": np.ones(2), "id": 5}, ValueError, "id: expected a text of 1 to 4096 characters, found 5"),
        ({"input": np.ones(2), "id": ""}, ValueError, "id: expected a text"),
        ({"input": np.ones(2), "isSTAC": "1"}, ValueError, "has a meaning of its own in ML-STAC"),
        ({"input": np.ones(2), "weights": np.ones(3)}, TypeError, "'weights': expected a text, int, float"),
        ({"input": np.ones(2), "n": 2**64}, ValueError, "'n': expected an integer of 64 bits"),
        (
            {"input": np.ones(2), "t": np.datetime64("20000-01-01")},
            ValueError,
            "'t': expected a time in the years 1 to",
        ),
        (
            {"input": np.ones(2), "t": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
            ValueError,
            "sample 0: 't': expected a time in the years 1 to 9999 of UTC, found 0001-01-01",
        ),
        ({"input": np.ones(2), "t": np.timedelta64(5, "ns")}, TypeError, "'t': expected a text, .* found timedelta64"),
        (
            {"input": np.ones(2), "start_datetime": np.datetime64("20000-01-01")},
            ValueError,
            "start_datetime: expected a datetime or ISO 8601 .* found np.datetime64",
        ),
        ({"input": np.ones(2), 5: "x"}, TypeError, "keys of metadata to be texts, found 5"),
        ((1, 2, 3), TypeError, "found a tuple of 3"),
        (np.ones(2), TypeError, "found a ndarray"),
    ],
)
def test_samples_that_cannot_be_written(tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        mlstac_hf.write([given], tmp_path / "new", BARE)
    assert not (tmp_path / "new/main.json").exists()


def test_things_that_are_no_samples(tmp_path):
    for thing in ("path", {"input": 1}, 5):
        with pytest.raises(TypeError, match="expected samples to be an iterable of samples, got a"):
            mlstac_hf.write(thing, tmp_path, BARE)


def test_ids_differ_and_keys_have_one_type(tmp_path):
    given = [{**sample(index), "id": name} for index, name in enumerate("abca")]
    with pytest.raises(ValueError, match=r"sample 3 \(id 'a'\): sample 0 has the same id"):
        mlstac_hf.write(given, tmp_path / "ids", BARE)
    given = [{"input": np.ones(1), "n": value} for value in (None, 1, 2.5, "x")]
    with pytest.raises(ValueError, match=r"sample 3: 'n': expected a float, as in other samples .* found text, 'x'"):
        mlstac_hf.write(given, tmp_path / "types", BARE)
    mlstac_hf.write(given[:3], tmp_path / "types", BARE)
    assert [one.get("n") for one in mlstac_hf.load(tmp_path / "types", "numpy").metadata[:]] == [None, 1.0, 2.5]
    with pytest.raises(ValueError, match="sample 0: 'n': expected a float, as in other samples"):
        mlstac_hf.write([{"input": np.ones(1), "n": "x"}], tmp_path / "types", BARE, split="test")


class Patches:
    """A torch Dataset that knows no end, as many don't."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        one = sample(index % 10)
        place = {key: one[key] for key in ("id", "crs", "geotransform", "cloud", "note", "night")}
        return {"input": one["input"], "target": one["target"], "start_datetime": str(one["start_datetime"]), **place}


class Pairs:
    """A torch Dataset of images and classes."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return sample(index % 10)["input"], index


def assert_patches(split):
    assert len(split) == 10
    for index, one in enumerate(split):
        expected = sample(index)
        assert_equal(one["input"], expected["input"])
        assert_equal(one["target"], expected["target"])
        metadata = split.metadata[index]
        for key in ("id", "crs", "geotransform", "cloud", "note", "night", "start_datetime"):
            assert metadata[key] == expected[key], key
            assert type(metadata[key]) is type(expected[key])


def test_datasets_of_torch(tmp_path):
    assert_patches(written(Patches(), tmp_path))


@pytest.mark.parametrize(("batch_size", "workers"), [(4, 0), (4, 2), (None, 0)])
def test_data_loaders(tmp_path, batch_size, workers):
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(Patches(), batch_size=batch_size, num_workers=workers)
    assert_patches(written(loader, tmp_path / "mappings"))
    loader = torch.utils.data.DataLoader(Pairs(), batch_size=batch_size, num_workers=workers)
    split = written(loader, tmp_path / "pairs")
    assert [int(one["target"]) for one in split] == list(range(10))
    assert_equal(split[3]["input"], sample(3)["input"])


def test_a_batch_of_samples(tmp_path):
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(Patches(), batch_size=3, collate_fn=lambda batch: batch)
    assert_patches(written(loader, tmp_path))


@pytest.mark.parametrize("layout", ["samples", "container"])
def test_what_load_gives(tmp_path, layout):
    pytest.importorskip("cql2")
    first = Collection(id="bare", **DESCRIBED)
    mlstac_hf.write(samples(6), tmp_path / "first", first)
    split = mlstac_hf.load(tmp_path / "first", "numpy", filter="orbit > 1")
    mlstac_hf.write(split, tmp_path / "again", BARE, layout=layout)
    again = mlstac_hf.load(tmp_path / "again", "numpy")
    assert again.metadata[:] == split.metadata[:]
    for one, other in zip(again, split, strict=True):
        assert_equal(one["input"], other["input"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_of_hugging_face(tmp_path, dtype, streaming):
    pytest.importorskip("datasets")
    shapes = {"input": (2, 3, 4), "target": (), "extra": (5,)}
    given = [
        {
            **{name: array(dtype, shape) for name, shape in shapes.items()},
            "n": index,
            "crs": "EPSG:4326" if index else None,
        }
        for index in range(3)
    ]
    given[1]["geotransform"] = (1.0, 2.0, 0.0, 4.0, 0.0, -2.0)
    given[2]["start_datetime"] = "2020-02-03T04:05:06Z"
    mlstac_hf.write(given, tmp_path / "first", BARE)
    dataset = mlstac_hf.load_dataset(
        tmp_path / "first", split="train", streaming=streaming, cache_dir=tmp_path / "cache"
    )
    split = written(dataset, tmp_path / "again")
    first = mlstac_hf.load(tmp_path / "first", "numpy")
    assert split.metadata[:] == first.metadata[:]
    for one, other in zip(split, first, strict=True):
        for name in shapes:
            assert_equal(one[name], other[name])


def test_datasets_of_hugging_face_that_vary(tmp_path):
    datasets = pytest.importorskip("datasets")
    given = [{"input": array("bfloat16", (size, 2, 3)), "extra": array("uint16", (2, size))} for size in (1, 3, 2)]
    mlstac_hf.write(given, tmp_path / "first", BARE)
    dataset = mlstac_hf.load_dataset(tmp_path / "first", split="train", cache_dir=tmp_path / "cache")
    for one, expected in zip(
        written(dataset.select([2, 1, 0]).select([2, 1, 0]), tmp_path / "again"), given, strict=True
    ):
        assert_equal(one["input"], expected["input"])
        assert_equal(one["extra"], expected["extra"])
    plain = datasets.Dataset.from_dict({"input": [[1, 2], [3, 4]], "target": ["a", "b"]})
    split = written(plain, tmp_path / "plain")
    assert_equal(split[1]["input"], np.array([3, 4]))
    assert split[1]["target"] == "b"


@pytest.mark.parametrize(
    ("column", "said"),
    [
        # of each, the number of elements is one that an array could have
        (
            [[[1, 2, 3]], [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10]]],
            "sample 1: input: expected lists of one length, as an array has, found lengths 6, 4",
        ),
        (
            [[[1, 2]], [[1, 2], None]],
            "sample 1: input: expected lists of one length, as an array has, found lengths 2, null",
        ),
        ([[[1, 2]], [[1, None], [3, 4]]], "sample 1: input: expected numbers, found 1 nulls among 4"),
        ([[1], [None]], "sample 1: input: expected numbers, found 1 nulls among 1"),
    ],
)
def test_lists_of_hugging_face_that_are_no_array(tmp_path, column, said):
    datasets = pytest.importorskip("datasets")
    with pytest.raises(ValueError, match="^" + re.escape(said)):
        mlstac_hf.write(datasets.Dataset.from_dict({"input": column}), tmp_path, BARE)


def test_a_column_of_hugging_face_that_is_no_numbers(tmp_path):
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"input": [{"a": 1}], "target": [1]})
    with pytest.raises(
        TypeError, match=r"^sample 0: input: expected numbers or lists of numbers, found struct<a: int64>"
    ):
        mlstac_hf.write(dataset, tmp_path, BARE)


def test_transforms_and_columns_of_hugging_face_are_what_is_written(tmp_path):
    datasets = pytest.importorskip("datasets")
    stored = datasets.Dataset.from_dict({"image": [[1, 2], [3, 4]], "target": [5, 6], "secret": ["a", "b"]})

    def made(rows):
        return {"input": [np.array(image, "uint16")[None] for image in rows["image"]], "target": rows["target"]}

    split = written(stored.with_transform(made), tmp_path / "transform")
    assert_equal(split[1]["input"], np.array([[3, 4]], "uint16"))
    assert (int(split[1]["target"]), "secret" in split.metadata[1]) == (6, False)
    chosen = stored.rename_column("image", "input").with_format("numpy", columns=["input", "target"])
    split = written(chosen, tmp_path / "columns")
    assert_equal(split[1]["input"], np.array([3, 4]))
    assert "secret" not in split.metadata[1]
    chosen = chosen.with_format("numpy", columns=["input"], output_all_columns=True)
    assert written(chosen, tmp_path / "all").metadata[1]["secret"] == "b"
