"""The container header: what the format allows is read, what is wrong spoils itself only, the rest is refused."""

import json
import re
import tarfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._formats import HeaderError, container_header_length, parse_container_header
from mlstac_hf._formats import _container as container_module

ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
payloads = st.dictionaries(ids, st.binary(min_size=1, max_size=20), max_size=6)


def to_file(places, body=b"", *, pad=0, separators=None, ensure_ascii=True):
    text = json.dumps(places, separators=separators, ensure_ascii=ensure_ascii).encode() + b" " * pad
    return b"#y" + len(text).to_bytes(8, "little") + text + body


def container_of(data):
    length = container_header_length(data[:10], len(data))
    return parse_container_header(data[10 : 10 + length], len(data))


def bytes_of(data, datapoint):
    assert datapoint.fault is None
    return data[datapoint.start : datapoint.start + datapoint.nbytes]


def good_and_bad(places, body=bytes(100)):
    entries = container_of(to_file(places, body)).entries
    assert list(entries) == list(places)
    return (
        {name for name, entry in entries.items() if entry.fault is None},
        {name: entry.fault for name, entry in entries.items() if entry.fault is not None},
    )


@given(payloads, st.integers(0, 40), st.sampled_from([None, (",", ":"), (" ,  ", " : ")]), st.booleans())
def test_any_container_is_read_however_its_json_is_spaced(payloads, pad, separators, ensure_ascii):
    places, body = {}, b""
    for name, payload in payloads.items():
        places[name] = [len(body), len(payload)]
        body += payload
    data = to_file(places, body, pad=pad, separators=separators, ensure_ascii=ensure_ascii)
    entries = container_of(data).entries
    assert list(entries) == list(payloads)
    for name, payload in payloads.items():
        assert entries[name].id == name
        assert bytes_of(data, entries[name]) == payload


def test_payloads_may_lie_in_any_order_with_bytes_between_them():
    good, bad = good_and_bad({"c": [90, 10], "a": [0, 5], "b": [50, 1]})
    assert good == {"a", "b", "c"}
    assert not bad


def test_a_container_of_no_samples_is_a_container():
    assert container_of(to_file({})).entries == {}
    assert container_of(to_file({}, b"left over")).entries == {}


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("0, 5", "its place is '0, 5', expected"),
        (None, "None"),
        (7, "7"),
        ([], "a list of 0"),
        ([0], "a list of 1"),
        ([0, 5, 5], "a list of 3"),
        ({"begin": 0, "length": 5}, "a dict of 2"),
        (["0", 5], r"\['0', 5\], expected two whole numbers"),
        ([0, 5.0], r"\[0, 5.0\], expected two whole"),
        ([True, 5], "True"),
        ([0, None], "None"),
        ([[0], 5], "a list of 1"),
        ([float("nan"), 5], "nan"),
        ([0, float("inf")], "inf"),
        ([-1, 5], "begins at -1"),
        ([0, -5], "has -5 bytes"),
        ([0, 0], "no bytes"),
        ([200, 0], "no bytes"),
        ([0, 2000], "claims 2000 bytes .* cut short"),
        ([2000, 5], "cut short"),
        ([2**63, 5], "cut short"),
        ([2**64 - 5, 10], "cut short"),
        ([10**4000, 5], "beyond all bounds"),
        ([5, 10**4000], "beyond all bounds"),
        ([-(10**4000), 5], "beyond all bounds"),
        ([[[[[[]]]]] * 10_000, 5], "a list of 10000"),
        (["A" * 10**6, 5], "AAA"),
        ([0] * 10**5, "a list of 100000"),
    ],
)
def test_a_wrong_place_spoils_its_own_datapoint_only(place, message):
    good, bad = good_and_bad({"before": [20, 10], "wrong": place, "after": [30, 70]})
    assert good == {"before", "after"}
    assert list(bad) == ["wrong"]
    assert re.search(message, bad["wrong"])
    assert len(bad["wrong"]) < 500


def test_a_faulty_datapoint_has_no_place_that_could_be_read():
    entry = container_of(to_file({"a": [0, 10], "b": [5, 10], "c": [0, 9999]}, bytes(100))).entries
    assert {(point.start, point.nbytes) for point in entry.values()} == {(0, 0)}


@pytest.mark.parametrize(
    ("places", "faulty"),
    [
        ({"a": [0, 10], "b": [10, 10]}, ""),
        ({"a": [0, 10], "b": [9, 10]}, "ab"),
        ({"a": [0, 10], "b": [0, 10]}, "ab"),
        ({"a": [0, 10], "b": [0, 10], "c": [0, 10]}, "abc"),
        ({"a": [0, 10], "b": [5, 10], "c": [20, 10]}, "ab"),
        ({"a": [0, 10], "b": [10, 10], "c": [20, 10], "all": [0, 100]}, ["all"]),
        ({"a": [0, 10], "b": [9, 12], "c": [20, 10]}, "b"),
        ({"a": [0, 100], "b": [10, 10], "c": [20, 10], "d": [50, 10], "e": [55, 10]}, "ade"),
    ],
)
def test_of_payloads_that_share_bytes_the_ones_that_share_most_are_at_fault(places, faulty):
    _, bad = good_and_bad(places)
    assert set(bad) == set(faulty)
    assert all("overlap those of" in fault for fault in bad.values())


def test_a_fault_names_the_one_it_overlaps():
    _, bad = good_and_bad({"a": [0, 10], "b": [5, 10]})
    assert bad["a"].endswith("overlap those of 'b'")
    assert bad["b"].endswith("overlap those of 'a'")


def test_one_length_over_everything_spoils_none_of_very_many():
    places = {str(number): [number * 10, 10] for number in range(50_000)}
    _, bad = good_and_bad({**places, "all": [0, 500_000]}, bytes(500_000))
    assert list(bad) == ["all"]


def test_overlaps_without_end_are_all_refused_in_no_time():
    good, bad = good_and_bad({str(number): [0, number + 1] for number in range(20_000)}, bytes(20_000))
    assert not good
    good, bad = good_and_bad({str(number): [number, 20_000 - number] for number in range(20_000)}, bytes(20_000))
    assert len(bad) == 20_000
    stairs = {f"{step}-{part}": [step * 100, 2 * part + 1] for step in range(40) for part in range(step + 2)}
    good, bad = good_and_bad(stairs, bytes(4100))
    assert len(bad) == len(stairs)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=12))
def test_what_is_readable_never_shares_a_byte_and_what_is_faulty_did(places):
    named = {str(number): list(place) for number, place in enumerate(places)}
    good, bad = good_and_bad(named)
    spans = {name: set(range(begin, begin + length)) for name, (begin, length) in named.items()}
    assert all(not spans[one] & spans[other] for one in good for other in good if one != other)
    assert all(any(spans[one] & spans[other] for other in spans if one != other) for one in bad)
    alone = {one for one in spans if not any(spans[one] & spans[other] for other in spans if one != other)}
    assert alone <= good
    for name, fault in bad.items():
        other = fault.rpartition("'")[0].rpartition("'")[2]
        assert spans[name] & spans[other]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': [0, 1]}", "not JSON"),
        (b"\0" * 20, "not JSON"),
        (b'{"a": [0, 1]}\0', "not JSON"),
        (b'{"\xff": [0, 1]}', "not UTF-8 .* at byte 12"),
        (b'{"a": [0, ' + b"9" * 5000 + b"]}", "not JSON"),
        (b'{"a": [0, 1], "b": [1, 1], "a": [2, 1]}', "'a' occurs twice"),
        (b'{"a": {"x": 1, "x": 2}}', "'x' occurs twice"),
        (b"[" * 100_000, "nested too deep|not JSON"),
        (b'{"x":' * 100_000, "nested too deep|not JSON"),
        (b"[[0, 1]]", "a JSON list"),
        (b"null", "a JSON NoneType"),
        (b'"a"', "a JSON str"),
        (b'{"\\ud800": [0, 1]}', "not Unicode"),
        (b'{"' + b"a" * 5000 + b'": [0, 1]}', "has 5000 characters"),
        (b'{"a": {"' + b"b" * 10**6 + b'":0,"' + b"b" * 10**6 + b'":0}}', "occurs twice"),
    ],
)
def test_a_header_that_is_no_object_of_ids_refuses_the_file(text, message):
    with pytest.raises(HeaderError, match=message) as caught:
        parse_container_header(text, 10**9)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("prefix", "nbytes", "message"),
    [
        (b"", 0, "found 0 in all"),
        (b"#", 1, "found 1 in all"),
        (b"#y" + bytes(7), 9, "found 9 in all"),
        (b"PK\3\4" + bytes(6), 100, "begins with b'#y', found b'PK"),
        (b"<", 1, "begins with b'#y'"),
        (b"#y" + (91).to_bytes(8, "little"), 100, "only 90 follow"),
        (b"#y" + (2**60).to_bytes(8, "little"), 100, "only 90 follow"),
        (b"#y" + b"\xff" * 8, 100, "only 90 follow"),
        (b"#y" + (2**40).to_bytes(8, "little"), 2**41, "allowed"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused(prefix, nbytes, message):
    with pytest.raises(HeaderError, match=message):
        container_header_length(prefix, nbytes)


def test_nothing_is_allocated_on_the_word_of_a_prefix():
    tracemalloc.start()
    try:
        with pytest.raises(HeaderError):
            container_header_length(b"#y" + (2**33).to_bytes(8, "little"), 2**40)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert container_module.MAX_CONTAINER_HEADER > 47_000 * 1000


def read_quietly(data):
    try:
        return container_of(data)
    except HeaderError:
        return None


@given(st.binary(max_size=100))
def test_no_bytes_whatever_raise_anything_but_our_error(data):
    read_quietly(data)
    read_quietly(b"#y" + len(data).to_bytes(8, "little") + data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(-1, 9), min_size=2, max_size=2) | json_values))
def test_what_is_read_of_a_fuzzed_header_lies_in_the_file(places):
    data = to_file(places, bytes(8))
    container = read_quietly(data)
    for name, entry in container.entries.items() if container else ():
        assert entry.id == name
        if entry.fault is None:
            assert len(data) - 8 <= entry.start < entry.start + entry.nbytes <= len(data)
        else:
            assert len(entry.fault) < 500


@given(payloads.filter(bool), st.data())
def test_a_container_with_one_byte_changed_is_read_or_refused(payloads, data):
    whole = bytearray(to_file({name: [0, 1] for name in payloads}, b"x"))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_quietly(bytes(whole))


@pytest.fixture(scope="module")
def hostile(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        archive.extractall(folder, filter="tar")
    return folder / "hostile"


def damaged(folder):
    """The files of a case and, for those that are refused, why."""
    for path in sorted(folder.rglob("*.mlstac")):
        data = path.read_bytes()
        try:
            yield path.name, container_of(data), ""
        except HeaderError as error:
            yield path.name, None, str(error)


@pytest.mark.parametrize(
    ("case", "message"), [("b02_header_len_gt_file", "only .* follow"), ("b04_header_bad_json", "not JSON")]
)
def test_a_container_without_a_header_is_refused_whole(hostile, case, message):
    reasons = [reason for _, container, reason in damaged(hostile / case) if container is None]
    assert len(reasons) >= 1
    assert all(re.search(message, reason) for reason in reasons)


@pytest.mark.parametrize(
    ("case", "message", "count"),
    [
        ("b06_offset_past_end", "cut short", 1),
        ("b08_overlapping", "overlap", 2),
        ("b10_wrong_types", "its place is", 5),
        ("b12_zero_length", "no bytes", 1),
        ("b14_truncated", "cut short", None),
        ("b16_noncanonical_header", "", 0),
    ],
)
def test_of_a_damaged_container_the_intact_datapoints_stay(hostile, case, message, count):
    entries = [entry for _, container, _ in damaged(hostile / case) for entry in container.entries.values()]
    faults = [entry.fault for entry in entries if entry.fault is not None]
    assert all(message in fault for fault in faults)
    assert 0 < len(faults) < len(entries) if count is None else len(faults) == count
    assert len(entries) > len(faults)
