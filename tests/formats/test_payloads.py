"""Payloads are told by their first bytes, whatever they are called, and read alike."""

import builtins
import json
import multiprocessing

import numpy as np
import pytest
from containers import pack
from decoding import OwnPayload, is_own, last_value
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

import mlstac_hf
from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import HeaderError, TensorForm, decoder_names, open_payload, payload_kind, register_decoder
from mlstac_hf._formats import _payloads as payloads_module
from mlstac_hf._formats import _raster as raster_module

IMAGE = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
MASK = np.arange(30, dtype=np.uint8).reshape(5, 6)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(payloads_module, "_DECODERS", dict(payloads_module._DECODERS))


@pytest.fixture
def payload():
    return open_payload(save({"input": IMAGE, "target": MASK, "count": np.array(7)}, {"id": "ü"}))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"II*\0", "geotiff"),
        (b"MM\0*", "geotiff"),
        (b"II+\0", "geotiff"),
        (b"MM\0+", "geotiff"),
        (bytes.fromhex("0000000c6a5020200d0a870a"), "jpeg2000"),
        (bytes.fromhex("ff4fff51"), "jpeg2000"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        ((40).to_bytes(8, "little") + b"{", "safetensors"),
        ((2**60).to_bytes(8, "little") + b"{", None),
        ((40).to_bytes(8, "little") + b"[", None),
        (b"<VRTDataset rasterXSize", None),
        (b"\x1f\x8b\x08\0", None),
        (b"\x89PNG", None),
        (b"II", None),
        (b"", None),
    ],
)
def test_a_payload_is_told_by_its_first_bytes(head, kind):
    assert payload_kind(head) == kind


def test_a_payload_that_nobody_reads_is_refused_with_its_first_bytes():
    with pytest.raises(HeaderError, match=r"b'<VRTDataset rast' is none of safetensors, .*register_decoder"):
        open_payload(b"<VRTDataset rasterXSize='1'><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>")


def test_safetensors_show_their_forms_and_texts(payload):
    assert payload.kind == "safetensors"
    assert dict(payload.tensors) == {
        "count": TensorForm(np.dtype("int64"), ()),
        "input": TensorForm(np.dtype("uint16"), (4, 5, 6)),
        "target": TensorForm(np.dtype("uint8"), (5, 6)),
    }
    assert payload.metadata == {"id": "ü"}
    assert payload.crs is None
    assert payload.geotransform is None


planes = st.none() | st.lists(st.integers(0, 3), max_size=6)
windows = st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 6), st.integers(0, 6)).map(
    lambda w: (*sorted(w[:2]), *sorted(w[2:]))
)


def part(array, planes, window):
    array = array if planes is None else array[planes]
    return array if window is None else array[..., window[0] : window[1], window[2] : window[3]]


@given(planes, windows)
def test_any_part_is_that_of_numpy(planes, window):
    payload = open_payload(save({"input": IMAGE}))
    found = payload.read("input", planes, window)
    expected = part(IMAGE, planes, window)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_what_has_no_planes_is_still_read_whole_and_by_window(payload):
    assert payload.read("count") == 7
    np.testing.assert_array_equal(payload.read("target", window=(1, 3, 0, 6)), MASK[1:3])


def test_what_fits_is_filled_in_place_and_what_does_not_is_left_alone(payload):
    out = np.zeros((2, 5, 6), np.uint16)
    assert payload.read("input", [3, 1], out=out) is out
    np.testing.assert_array_equal(out, IMAGE[[3, 1]])
    for other in (np.zeros((2, 5, 6), np.int16), np.zeros((1, 5, 6), np.uint16), np.zeros((6, 5, 2), np.uint16).T):
        assert payload.read("input", [3, 1], out=other) is not other
        assert not other.any()


@pytest.mark.parametrize(
    ("name", "planes", "window", "message"),
    [
        ("input", [4], None, "plane 4 asked of tensor 'input', which has 4"),
        ("input", [-1], None, "plane -1"),
        ("target", [0], None, "has none"),
        ("input", None, (0, 6, 0, 6), "rows 0 to 6 .* which has 5 rows and 6 columns"),
        ("input", None, (3, 2, 0, 6), "rows 3 to 2"),
        ("input", None, (0, 5, -1, 6), "columns -1 to 6"),
        ("count", None, (0, 0, 0, 0), "no rows and columns"),
    ],
)
def test_planes_and_windows_that_are_not_there_are_the_callers_error(payload, name, planes, window, message):
    with pytest.raises(IndexError, match=message):
        payload.read(name, planes, window)


def test_a_tensor_that_is_not_there_is_a_key_error_that_lists_those_that_are(payload):
    with pytest.raises(KeyError, match="no tensor 'extra'; there are count, input, target"):
        payload.read("extra")


def test_a_tensor_beyond_the_limit_is_refused():
    with pytest.raises(HeaderError, match="'input' claims 4 x 5 x 6 of uint16, 240 bytes decoded, more than the 239"):
        open_payload(save({"input": IMAGE}), limit=239)
    assert open_payload(save({"input": IMAGE}), limit=240)


class Own:
    kind = "own"
    metadata: dict = {}  # noqa: RUF012
    geotransform = crs = None

    def __init__(self, data, limit):
        if len(data) < 8:
            raise ValueError("cut short")
        self.tensors = {"input": TensorForm(np.dtype("uint8"), (len(data), limit))}

    def read(self, name, planes=None, window=None, out=None):
        return np.zeros(0)


@pytest.mark.usefixtures("registry")
def test_a_registered_decoder_reads_its_payloads_and_may_take_over_ours():
    register_decoder("own", lambda head: head.startswith(b"OWN"), Own)
    assert decoder_names()[-1] == "own"
    assert payload_kind(b"OWN") == "own"
    assert open_payload(b"OWN12345", limit=9).tensors["input"].shape == (8, 9)
    assert open_payload(save({"input": IMAGE})).kind == "safetensors"
    register_decoder("own", lambda head: len(head) <= 64, Own)
    assert open_payload(save({"input": IMAGE})).kind == "own"
    assert decoder_names().count("own") == 1


@pytest.mark.usefixtures("registry")
def test_a_value_error_of_a_registered_decoder_is_a_damaged_payload():
    register_decoder("own", lambda head: head.startswith(b"OWN"), Own)
    with pytest.raises(HeaderError, match="the own payload cannot be read: cut short"):
        open_payload(b"OWN")


def test_a_decoder_needs_a_name():
    with pytest.raises(ValueError, match="empty text"):
        register_decoder("", bool, Own)


@pytest.mark.parametrize(
    ("package", "data"),
    [("rasterio", b"II*\0" + bytes(100)), ("h5py", b"\x89HDF\r\n\x1a\n" + b"\0\0\0\0\0\x08\x08" * 9)],
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch, package, data):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    raster_module._opener.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"need {package}.* pip install 'mlstac-hf\[geotiff\]'"):
        open_payload(data)


@given(st.binary(max_size=100))
def test_no_bytes_whatever_raise_anything_but_our_error(data):
    for prefix in (b"", len(data).to_bytes(8, "little") + b"{"):
        try:
            open_payload(prefix + data)
        except (HeaderError, MissingExtraError):
            continue


@pytest.mark.usefixtures("registry")
def test_a_split_takes_added_decoders_to_a_spawned_process(tmp_path):
    register_decoder("own", is_own, OwnPayload)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.mlstac").write_bytes(pack({"x": b"OWN\x07", "y": b"OWN\x09"}))
    splits = {"train": {"data_files": ["https://example.invalid/a.mlstac"]}}
    (tmp_path / "main.json").write_text(json.dumps({"id": "own", "ml_catalog": splits}))
    found = mlstac_hf.load(tmp_path, "numpy")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(last_value, (found,)).get(timeout=120) == 9  # a split that cannot be read there hangs
