"""`datetime=`: what pystac-client accepts, and who lies in it."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._conditions._time import parse_interval, within

MICROSECOND = timedelta(microseconds=1)
naive = datetime.fromisoformat


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def before(*parts):
    """The last microsecond before a time."""
    return utc(*parts) - MICROSECOND


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("2018", utc(2018, 1, 1), before(2019, 1, 1)),
        ("2018-06", utc(2018, 6, 1), before(2018, 7, 1)),
        ("2018-12", utc(2018, 12, 1), before(2019, 1, 1)),
        ("2024-02", utc(2024, 2, 1), before(2024, 3, 1)),
        ("2023-02", utc(2023, 2, 1), before(2023, 3, 1)),
        ("2018-06-05", utc(2018, 6, 5), before(2018, 6, 6)),
        ("2018-12-31", utc(2018, 12, 31), before(2019, 1, 1)),
        ("9999", utc(9999, 1, 1), datetime.max.replace(tzinfo=UTC)),
        ("0001", utc(1, 1, 1), before(2, 1, 1)),
        ("2018-06-05T10:30:00Z", utc(2018, 6, 5, 10, 30), utc(2018, 6, 5, 10, 30)),
        ("2018-06-05T10:30:00", utc(2018, 6, 5, 10, 30), utc(2018, 6, 5, 10, 30)),
        ("2018-06-05t10:30:00z", utc(2018, 6, 5, 10, 30), utc(2018, 6, 5, 10, 30)),
        ("2018-06-05 10:30:00+02:00", utc(2018, 6, 5, 8, 30), utc(2018, 6, 5, 8, 30)),
        ("2018-06-05T23:30:00-01:00", utc(2018, 6, 6, 0, 30), utc(2018, 6, 6, 0, 30)),
        ("2018-06-05T10:30:00.25Z", utc(2018, 6, 5, 10, 30, 0, 250_000), utc(2018, 6, 5, 10, 30, 0, 250_000)),
        ("2018-01-01/2020-12-31", utc(2018, 1, 1), before(2021, 1, 1)),
        ("2018/2019", utc(2018, 1, 1), before(2020, 1, 1)),
        ("2018-06 / 2018-07-01T00:00:00Z", utc(2018, 6, 1), utc(2018, 7, 1)),
        ("2018-06-05T00:00:00Z/2018-06", utc(2018, 6, 5), before(2018, 7, 1)),
        ("2018-01-01T00:00:00Z/..", utc(2018, 1, 1), None),
        ("2018/", utc(2018, 1, 1), None),
        ("../2020", None, before(2021, 1, 1)),
        ("/2020", None, before(2021, 1, 1)),
        (date(2018, 6, 5), utc(2018, 6, 5), before(2018, 6, 6)),
        (naive("2018-06-05"), utc(2018, 6, 5), utc(2018, 6, 5)),
        (utc(2018, 6, 5, 10), utc(2018, 6, 5, 10), utc(2018, 6, 5, 10)),
        (("2018", "2019-06"), utc(2018, 1, 1), before(2019, 7, 1)),
        ([date(2018, 6, 5), None], utc(2018, 6, 5), None),
        (["..", naive("2018-06-05")], None, utc(2018, 6, 5)),
        ([date(2018, 6, 5), date(2018, 6, 5)], utc(2018, 6, 5), before(2018, 6, 6)),
        (["2018-06"], utc(2018, 6, 1), before(2018, 7, 1)),
        (np.datetime64("2018-06"), utc(2018, 6, 1), before(2018, 7, 1)),
        (np.array(["2018-06-05", "2018-06-07"], "datetime64[D]"), utc(2018, 6, 5), before(2018, 6, 8)),
    ],
)
def test_an_interval_covers_all_that_its_text_names(asked, start, end):
    assert parse_interval(asked) == (start, end)
    assert all(time is None or time.tzinfo is UTC for time in parse_interval(asked))


offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(naive("0002-01-01"), naive("9998-01-01"), timezones=offsets)


@given(times, times, st.sampled_from(["text", "objects"]))
def test_two_times_come_back_as_they_went_in(one, other, kind):
    first, last = sorted([one, other])
    asked = [first, last] if kind == "objects" else f"{first.isoformat()}/{last.isoformat()}"
    assert parse_interval(asked) == (first, last)


@given(st.dates(date(1, 1, 2), date(9999, 12, 30)))
def test_a_day_is_where_its_neighbours_are_not(day):
    (start, end), one = parse_interval(day.isoformat()), timedelta(days=1)
    assert parse_interval(day) == (start, end)
    assert parse_interval((day - one).isoformat())[1] + MICROSECOND == start
    assert parse_interval((day + one).isoformat())[0] - MICROSECOND == end


def test_pandas_times_are_taken_to_the_microsecond():
    pd = pytest.importorskip("pandas")
    moment = pd.Timestamp("2018-06-05T12:00:00.123456789", tz="Europe/Rome")
    assert parse_interval([moment, None]) == (utc(2018, 6, 5, 10, 0, 0, 123_456), None)
    with pytest.raises(ValueError, match="not understood at NaT"):
        parse_interval([pd.NaT, "2018"])


@pytest.mark.parametrize(
    "asked",
    [
        "last week",
        "2018-13",
        "2018-00",
        "0000",
        "2018-02-30",
        "2018-06-05T25:00:00Z",
        "2018-06-05T10:30Z",
        "20180605",
        "2018-W23",
        "18",
        "٢٠١٨",
        "2018/soon",
        "2018/2019/2020",
        "0001-01-01T00:00:00+10:00",
        5,
        b"2018",
        [],
        ["2018", 2019],
        ["2018", "2019", "2020"],
    ],
)
def test_what_is_no_time_is_shown_beside_what_is(asked):
    with pytest.raises(ValueError, match=r"'2018-06-05/\.\.'") as error:
        parse_interval(asked)
    assert repr(asked) in str(error.value)


def test_the_part_that_cannot_be_read_is_named_and_a_long_one_is_cut():
    with pytest.raises(ValueError, match="not understood at 'soon'"):
        parse_interval("2018/soon")
    with pytest.raises(ValueError, match="not understood") as error:
        parse_interval("x" * 10_000)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("asked", ["../..", "/", "", "..", [None, None], ["..", None], None])
def test_open_at_both_ends_is_refused_with_the_way_to_have_everything(asked):
    with pytest.raises(ValueError, match=r"open at both ends.*Leave datetime= out"):
        parse_interval(asked)


def test_an_end_before_the_start_prints_both():
    with pytest.raises(ValueError, match="2020-01-01T00:00:00Z to 2018-12-31T23:59:59"):
        parse_interval("2020/2018")
    assert parse_interval("2018-06-05/2018-06-05") == parse_interval("2018-06-05")


NAT, DAY = np.datetime64("NaT"), naive("2018-06-05")
moments = st.none() | st.datetimes(DAY, DAY + timedelta(days=1)) | st.just(DAY)
samples = st.lists(st.tuples(moments, moments), max_size=20)


def plain_within(start, end, since, until):
    if start is None and end is None:
        return False
    start = end if start is None else start
    end = start if end is None or end < start else end
    return (since is None or end >= since) and (until is None or start <= until)


@given(samples, st.tuples(moments, moments))
def test_within_agrees_with_a_plain_loop(rows, interval):
    aware = tuple(time and time.replace(tzinfo=UTC) for time in interval)
    starts, ends = (np.array([row[side] for row in rows], "datetime64[us]") for side in (0, 1))
    found = within(starts, ends, aware)
    assert found.dtype == bool
    assert found.tolist() == [plain_within(*row, *interval) for row in rows]


@pytest.mark.parametrize(
    ("start", "end", "is_met"),
    [
        ("2018-06-30T23:59:59.999999", NAT, True),
        ("2018-07-01", NAT, False),
        ("2018-05-31T23:59:59.999999", NAT, False),
        ("2018-06-01", NAT, True),
        (NAT, "2018-06-15", True),
        (NAT, NAT, False),
        ("2018-01-01", "2018-12-31", True),
        ("2018-01-01", "2018-06-01", True),
        ("2018-06-30", "2018-12-31", True),
        ("2018-01-01", "2018-02-01", False),
        ("2018-06-15", "2018-01-01", True),
        ("2018-08-01", "2018-06-15", False),
    ],
)
def test_a_sample_is_within_june_where_it_shares_a_moment_with_it(start, end, is_met):
    starts, ends = np.array([start], "datetime64[us]"), np.array([end], "datetime64[us]")
    assert within(starts, ends, parse_interval("2018-06")).tolist() == [is_met]


@pytest.mark.parametrize("unit", ["D", "s", "ms", "ns"])
def test_times_of_any_unit_are_compared(unit):
    starts = np.array(["2018-06-01", "2018-07-01", "NaT"], f"datetime64[{unit}]")
    assert within(starts, np.full(3, NAT, starts.dtype), parse_interval("2018-06")).tolist() == [True, False, False]


def test_nanoseconds_do_not_overflow_where_the_interval_is_wide():
    starts = np.array(["2018-06-01"], "datetime64[ns]")
    assert within(starts, starts, parse_interval("1000/9999")).tolist() == [True]
    assert within(starts, starts, parse_interval("9998/9999")).tolist() == [False]
