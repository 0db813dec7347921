"""Place and time of samples: whether they can be read, and can be true.

Owns: one sample's CRS, geotransform and times. Leaves to others: where samples lie to each other (`_check_ground`).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from mlstac_hf._spec import parse_crs, parse_datetime, parse_geotransform
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._scan import Part, Seen

_MAY_BE_INVENTED = ("crs", "geotransform", "start_datetime")
_INVENTED = (0, 1, 0, 0, 0, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_KNOWN = 4096  # codes that are remembered


class MetadataCheck(Check):
    """See the module."""

    name = "metadata"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._known: dict[str, bool] = {}
        self._latest = datetime.now(UTC) + timedelta(days=1)
        self._is_told = False
        self._lacking = {"place": 0, "time": 0}

    def split(self, part: Part) -> None:  # noqa: ARG002 - part of a check
        """Counting begins anew."""
        self._lacking = {"place": 0, "time": 0}

    def sample(self, part: Part, seen: Seen) -> None:
        """What is stored, and what can be made of it."""
        if seen.raw.get("isSTAC") == "0":
            if any(seen.raw.get(key) for key in _MAY_BE_INVENTED):
                self.say("W406", 'isSTAC is "0": mlstac 0.0.23 invented its place or time', seen.place)
            self._lacking["place"] += 1
            self._lacking["time"] += 1
            return
        is_placed = self._place(seen)
        self._lacking["place"] += not is_placed and (seen.head is not None or part.folder is not None)
        self._lacking["time"] += not self._time(seen)

    def split_end(self, part: Part) -> None:
        """How many samples say nothing."""
        for what, count in self._lacking.items():
            if count:
                self.say("N411", f"the {what} of {count:,} of {len(part.source):,} samples is not known", part.place())

    def _place(self, seen: Seen) -> bool:
        crs, transform = (seen.raw.get(key) for key in ("crs", "geotransform"))
        name, numbers = parse_crs(crs), parse_geotransform(transform)
        code = (seen.row or {}).get("proj_epsg")
        if isinstance(code, int | float) and math.isfinite(code):
            self._crs(f"EPSG:{int(code)}", seen)
        if name is not None:
            self._crs(name, seen)
        elif crs:
            self.say("W401", f"expected a crs such as EPSG:32633, found {_shown(crs)}", seen.place)
        if numbers is None:
            if transform:
                message = f"expected six numbers in GDAL order, found {_shown(transform)}"
                self.say("W403", message, seen.place)
            return False
        _, width, row_rotation, y, column_rotation, height = numbers
        if numbers == _INVENTED:
            self.say("W406", "its geotransform 0, 1, 0, 0, 0, 1 is what writers invent", seen.place)
        elif width * height == row_rotation * column_rotation:
            self.say("W404", f"a pixel has no area: {', '.join(map(str, numbers))}", seen.place)
        elif height > 0 and not row_rotation and not column_rotation:
            self.say("W405", f"its pixel height is {height}, expected it below 0; the first row is {y}", seen.place)
        return name is not None and numbers != _INVENTED

    def _crs(self, name: str, seen: Seen) -> None:
        if name not in self._known:
            try:
                import pyproj
            except ImportError:
                if not self._is_told:
                    self._is_told = True
                    self.say("N901", "CRS: pyproj is not installed; pip install 'mlstac-hf[select]'")
                return
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            try:
                pyproj.CRS.from_authority(*name.split(":", 1))
                self._known[name] = True
            except pyproj.exceptions.ProjError:
                self._known[name] = False
        if not self._known[name]:
            self.say("W402", f"PROJ knows no {_shown(name)}", seen.place)

    def _time(self, seen: Seen) -> bool:
        times = {}
        for key in ("start_datetime", "end_datetime"):
            stored = seen.raw.get(key)
            time = times[key] = parse_datetime(stored)
            if time is None and stored:
                self.say("W407", f"expected {key} in ISO 8601, found {_shown(stored)}", seen.place)
        start, end = times["start_datetime"], times["end_datetime"]
        if start == _EPOCH:
            self.say("W406", "it begins at 1970-01-01T00:00:00, which is what writers invent", seen.place)
        if start is not None and end is not None and end < start:
            self.say("W408", f"it begins at {start.isoformat()} and ends at {end.isoformat()}", seen.place)
        latest = max((time for time in times.values() if time is not None), default=None)
        if latest is not None and latest > self._latest:
            self.say("W409", f"it was taken at {latest.isoformat()}, which is to come", seen.place)
        return start is not None


def _shown(value: object) -> str:
    return ascii(str(value)[:80])
