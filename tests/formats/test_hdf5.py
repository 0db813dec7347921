"""HDF5 payloads: what h5py writes is read; what leads elsewhere, unpacks without end or is no array is refused."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest

from mlstac_hf._formats import HeaderError, TensorForm, open_payload
from mlstac_hf._formats import _hdf5 as hdf5_module

h5py = pytest.importorskip("h5py")

IMAGE = np.arange(4 * 10 * 12, dtype=np.uint16).reshape(4, 10, 12)


def encode(fill, **options):
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as opened:
        fill(opened)
    return file.getvalue()


def image(**options):
    return encode(lambda file: file.create_dataset("input", data=IMAGE, **options))


def test_tensors_and_texts_are_what_h5py_wrote():
    def fill(file):
        file.create_dataset("input", data=IMAGE, compression="gzip", shuffle=True)
        file.create_dataset("target", data=IMAGE[:1].astype(np.uint8))
        file.create_group("notes").attrs["a"] = "left out"
        file.attrs["metadata"] = "{'id': 'ROI', 'evil': __import__('os')}"
        file.attrs["fixed"] = np.bytes_("text")
        file.attrs["number"] = 3
        file.attrs["one"] = np.array([2.5])
        file.attrs["many"] = np.arange(3)
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["latin"] = np.bytes_(b"\xff")
        file.attrs["link"] = file.ref
        file["target"].attrs["labels"] = "ü"

    payload = open_payload(encode(fill))
    assert payload.kind == "hdf5"
    assert payload.tensors == {
        "input": TensorForm(np.dtype("uint16"), (4, 10, 12)),
        "target": TensorForm(np.dtype("uint8"), (1, 10, 12)),
    }
    np.testing.assert_array_equal(payload.read("input"), IMAGE)
    np.testing.assert_array_equal(payload.read("target"), IMAGE[:1].astype(np.uint8))
    assert payload.metadata == {
        "metadata": "{'id': 'ROI', 'evil': __import__('os')}",
        "fixed": "text",
        "number": "3",
        "one": "2.5",
        "target.labels": "ü",
    }
    assert payload.crs is None
    assert payload.geotransform is None


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 5, 5), "compression": "gzip", "fletcher32": True}])
@pytest.mark.parametrize("planes", [None, [2], [1, 2], [3, 0], [1, 1, 0], []])
@pytest.mark.parametrize("window", [None, (2, 9, 0, 12), (0, 1, 5, 5)])
def test_any_part_is_that_of_the_whole(options, planes, window):
    expected = IMAGE if planes is None else IMAGE[planes]
    if window is not None:
        expected = expected[:, window[0] : window[1], window[2] : window[3]]
    out = np.zeros(expected.shape, np.uint16)
    assert open_payload(image(**options)).read("input", planes, window, out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["bool", ">u2", "<i8", ">f4", "f2", "f8", "c8", "c16", "u1"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2, 2), (0, 3)])
def test_every_dtype_is_kept_in_this_machines_byte_order(dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    payload = open_payload(encode(lambda file: file.create_dataset("input", data=array)))
    assert payload.tensors["input"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(payload.read("input"), array)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("packing", [{}, {"compression": "gzip"}, {"compression": "lzf"}, {"shuffle": True}])
def test_every_version_and_packing_is_read(libver, packing):
    data = encode(lambda file: file.create_dataset("input", data=IMAGE, chunks=(2, 5, 6), **packing), libver=libver)
    np.testing.assert_array_equal(open_payload(data).read("input"), IMAGE)
    np.testing.assert_array_equal(open_payload(data, limit=1500).read("input"), IMAGE)  # chunks are tried first


def virtual(file):
    layout = h5py.VirtualLayout((10,), "i8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (10,))
    file.create_virtual_dataset("v", layout)


def twice(file):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((10,))
    plan.set_deflate(9)
    plan.set_filter(32000, 1, (4, 261, 10))
    h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((10,)), plan)


def stored(chunk, **options):
    def fill(file):
        dataset = file.create_dataset("x", (1 << 20,), "u1", chunks=(1 << 20,), **options)
        dataset.id.write_direct_chunk((0,), chunk)

    return fill


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (virtual, "'v' keeps its values in other files"),
        (lambda file: file.create_dataset("e", (10,), "i8", external=[("raw", 0, 80)]), "in other files"),
        (lambda file: file.__setitem__("l", h5py.ExternalLink("other.h5", "x")), "'l' .* ExternalLink"),
        (lambda file: file.__setitem__("s", h5py.SoftLink("/x")), "'s' .* SoftLink"),
        (lambda file: file.__setitem__("t", "text"), "no array of numbers but of 'object'"),
        (lambda file: file.__setitem__("t", np.bytes_("text")), "no array of numbers"),
        (lambda file: file.create_dataset("r", (1,), h5py.ref_dtype), "no array of numbers"),
        (lambda file: file.create_dataset("r", (1,), h5py.vlen_dtype("u1")), "no array of numbers"),
        (lambda file: file.create_dataset("r", (1,), [("a", "u1")]), "no array of numbers"),
        (lambda file: file.create_dataset("r", (1,), np.longdouble), "no array of numbers"),
        (lambda file: file.create_dataset("r", data=h5py.Empty("f4")), "no array of numbers"),
        (lambda file: file.create_dataset("x", (1 << 40,), "u1", chunks=(1 << 20,)), "decoded, more than"),
        (lambda file: file.create_dataset("x", (1 << 30,), "u2"), "decoded, more than"),
        (lambda file: file.create_dataset("x", (9,), "u1", chunks=(2**31,), maxshape=(None,)), "a chunk of .* claims"),
        (lambda file: file.create_dataset("x", (1 << 25,), "u1", chunks=(1,)), "33554432 chunks"),
        (lambda file: file.create_dataset("x", (10,), "u1", scaleoffset=True), "filter 6 .* expected one of gzip"),
        (twice, "packed more than once"),
        (stored(b"abc", fletcher32=True), "has 3 bytes, expected 5 at least"),
        (stored(b"x" * (2 << 20), compression="gzip"), "damaged"),
        (stored(zlib.compress(bytes(2 << 30), 9), compression="gzip"), "unpacks to more than the 1048576 bytes"),
        (stored(b"x" * (13 << 20), compression="lzf"), "unpacks to more than"),
        (lambda file: [file.create_group(str(number)) for number in range(1001)], "1001 members"),
    ],
)
def test_what_leads_elsewhere_unpacks_without_end_or_is_no_array_is_refused(fill, message):
    with pytest.raises(HeaderError, match=message) as caught:
        open_payload(encode(fill))
    assert len(str(caught.value)) < 500


def test_an_lzf_filter_that_asks_for_more_than_a_chunk_is_refused():
    data = image(chunks=(1, 10, 12), compression="lzf")
    claims = [np.array(values, "<u4").tobytes() for values in ((261, 240), (261, 2**31))]
    assert data.count(claims[0]) == 1
    with pytest.raises(HeaderError, match="claims 2147483648 bytes a chunk"):
        open_payload(data.replace(*claims))


def test_a_member_whose_name_is_no_text_is_refused():
    data = encode(lambda file: file.create_dataset("input_name", data=IMAGE))
    with pytest.raises(HeaderError, match="is not text"):
        open_payload(data.replace(b"input_name", b"input_\xffame"))


def test_a_text_whose_name_is_no_text_is_left_out():
    data = encode(lambda file: file.attrs.__setitem__("key_name", np.bytes_("text")))
    assert open_payload(data).metadata == {"key_name": "text"}
    assert open_payload(data.replace(b"key_name", b"key_\xffame")).metadata == {}


def test_texts_beyond_reason_are_left_out():
    def fill(file):
        file.create_dataset("input", data=IMAGE)
        file.attrs["long"] = "x" * (hdf5_module.MAX_TEXT + 1)
        for number in range(hdf5_module.MAX_LINKS + 1):
            file["input"].attrs[str(number)] = number

    assert open_payload(encode(fill, libver="latest")).metadata == {}


def test_heaps_whose_sizes_do_not_add_up_are_refused():
    data = bytearray(encode(lambda file: file.attrs.__setitem__("metadata", "a text")))
    heap = data.index(b"GCOL")
    for place, message in ((heap + 14, "heap of texts"), (heap + 26, "its heap is damaged")):
        changed = data.copy()
        changed[place] = 1
        with pytest.raises(HeaderError, match=message):
            open_payload(bytes(changed))
    data[13] = 4
    with pytest.raises(HeaderError, match="does not count in 8 bytes"):
        open_payload(bytes(data))


def test_a_file_that_is_cut_is_refused():
    data = image(compression="gzip")
    for length in (4, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(HeaderError):
            open_payload(data[:length]).read("input")


FUZZ = """
import random, sys
sys.path.insert(0, sys.argv[1])
from mlstac_hf._formats import HeaderError, open_payload
data, chance = sys.stdin.buffer.read(), random.Random(7)
for _ in range(500):
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 10))):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 255, chance.randrange(256)))
    try:
        payload = open_payload(bytes(changed), limit=1 << 26)
        for name in payload.tensors:
            payload.read(name)
    except HeaderError:
        pass
print("done")
"""


def test_a_mutated_file_is_read_or_refused():
    """In a process of its own: what HDF5 has trouble with, it crashes on."""

    def fill(file):
        file.create_dataset("input", data=IMAGE, chunks=(1, 5, 6), compression="gzip", shuffle=True, fletcher32=True)
        file["target"] = IMAGE[:1]
        file.attrs["metadata"] = "{'a': 1}"

    root = hdf5_module.__file__.rpartition("mlstac_hf")[0]
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, root], input=encode(fill), capture_output=True, timeout=300, check=False
    )
    assert done.stdout.decode().strip() == "done", done.stderr.decode()[-500:]
