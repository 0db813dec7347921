"""Place and time, in both layouts."""

from __future__ import annotations

import pytest
from unsound import CASES, each, geotransform, only, sound, tabled

from mlstac_hf import validate


def codes(report):
    return {finding.code for finding in report.findings} - {"N106", "N202", "N901"}


def test_an_unknown_code_in_the_table_is_found_without_a_pixel(tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("pyproj")
    tabled(each(proj_epsg=99.0))(tmp_path)
    report = validate(tmp_path)
    assert codes(report) == {"W402"}
    assert report.warnings[0].message == "PROJ knows no 'EPSG:99'"


def test_a_time_in_the_table_that_is_none_is_found(tmp_path):
    pytest.importorskip("pyarrow")
    tabled(each(s2_date="in June"))(tmp_path)
    assert codes(validate(tmp_path)) == {"W407", "N411"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"geotransform": "[0 ,1 ,0 ,0 ,0 ,1]"}, {"W406", "N411"}),
        ({"start_datetime": "1970-01-01T00:00:00"}, {"W406"}),
        ({"start_datetime": "2020-05-03T10:15:30+02:00", "end_datetime": "2020-05-03T08:15:30Z"}, set()),
        ({"end_datetime": "2020-05-05T24:61:00"}, {"W407"}),
        ({"geotransform": geotransform(width=0)}, {"W404"}),
        ({"crs": ""}, {"N411"}),
        ({"isSTAC": "0"}, {"W406", "N411"}),
        ({"isSTAC": "0", "crs": "", "geotransform": "", "start_datetime": ""}, {"N411"}),
    ],
)
def test_what_writers_invent_and_mistake(tmp_path, values, expected):
    sound(tmp_path, only("train", 2, lambda made: made.raw.update(values)))
    assert codes(validate(tmp_path)) == expected


def test_without_pyproj_everything_else_is_checked(tmp_path, monkeypatch):
    import sys

    CASES["W405"].build(tmp_path)
    monkeypatch.setitem(sys.modules, "pyproj", None)
    report = validate(tmp_path)
    assert {finding.code for finding in report.findings} == {"N106", "N901", "W405"}
    assert {finding.message.partition(":")[0] for finding in report.notes if finding.code == "N901"} == {
        "CRS",
        "distances between splits",
    }
