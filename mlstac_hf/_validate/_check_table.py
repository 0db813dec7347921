"""metadata.parquet against the containers beside it, and against their pixels where these are read.

Owns: what a row claims of its datapoint. Leaves to others: the containers' headers (`_scan`), times
(`_check_metadata`).
"""

from __future__ import annotations

from mlstac_hf._formats import CONTAINER_PREFIX
from mlstac_hf._reading._containers import ContainerFolder, Row
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._table_rows import TableError
from mlstac_hf._reading._view import parse_size
from mlstac_hf._spec import Geotransform, file_in, parse_crs, parse_geotransform
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._check_files import folder_of, inside
from mlstac_hf._validate._findings import MOST
from mlstac_hf._validate._scan import TABLE, Part, Seen

_NEAR = 1e-3
"""Of a pixel: tables may be rounded."""


class TableCheck(Check):
    """See the module."""

    name = "metadata.parquet"

    def split(self, part: Part) -> None:
        """The table as a whole, and rows that belong to nothing."""
        source = part.containers
        if source is None:
            return
        path = inside(folder_of(source), TABLE)
        if source.table is None:
            self._absent(part, source, path)
            return
        known = {row for row in source.table_rows() if row is not None}
        stale = [row for row in range(len(source.table)) if row not in known]
        for row in stale[:MOST]:
            name = source.table.values(row).get("datapoint_id")
            self.say("W705", f"row {row}, {name!r}: no container holds it once more", part.place(file=path))
        self.survey.findings.more("W705", len(stale) - MOST)
        for index, datapoint in enumerate(source.rows):
            if source.table.row_of(file_in(datapoint.file), datapoint.name) is None:
                self.say("E703", f"it has no row for {datapoint.name!r}", part.place(index))

    def _absent(self, part: Part, source: ContainerFolder, path: str) -> None:
        try:
            MetadataTable(source.store.read(path))
        except FileNotFoundError:
            message = "expected it beside the containers: without it nothing is known before pixels are read"
            self.say("E701", message, part.place(file=path))
        except TableError as error:
            self.say("E702", str(error), part.place(file=path))

    def sample(self, part: Part, seen: Seen) -> None:
        """What one row claims."""
        if part.containers is None or seen.row is None:
            return
        row, datapoint = seen.row, part.containers.rows[seen.index]
        self._offsets(seen, datapoint)
        said = row.get("split")
        if said is not None and said != part.name:
            self.say("W707", f"split is {said!r}, expected {part.name!r}", seen.place)
        url = row.get("url")
        if url is not None and file_in(str(url)) != file_in(datapoint.file):
            self.say("W707", f"url names {file_in(str(url))!r}, expected {file_in(datapoint.file)!r}", seen.place)
        if seen.head is not None:
            self._pixels(seen)

    def _offsets(self, seen: Seen, datapoint: Row) -> None:
        row = seen.row or {}
        at = {"begin": datapoint.start - datapoint.base, "length": datapoint.nbytes}
        wrong = {key: row[key] for key in at if key in row and (type(row[key]) is str or row[key] != at[key])}
        if wrong:
            found = ", ".join(f"{key} {value!r}" for key, value in wrong.items())
            right = ", ".join(f"{key} {at[key]}" for key in wrong)
            message = f"expected {right}, as the container's header has it, found {found}"
            self.say("E704", f"{message}; the file may have been uploaded anew", seen.place)
        length = datapoint.base - CONTAINER_PREFIX
        if row.get("metadata_length", length) != length:
            self.say("W706", f"expected {length}, found {row['metadata_length']!r}", seen.place)

    def _pixels(self, seen: Seen) -> None:
        """What the row says of the raster, and what the raster says."""
        row, crs, (rows, columns) = seen.row or {}, seen.raw.get("crs"), seen.size
        code = row.get("proj_epsg")
        if isinstance(code, int | float) and isinstance(crs, str) and crs != f"EPSG:{int(code)}":
            self.say("W708", f"proj_epsg is {int(code)}, the raster is in {crs}", seen.place)
        said = parse_crs(row.get("crs"))
        if said is not None and isinstance(crs, str) and said != parse_crs(crs):
            self.say("W708", f"crs is {said}, the raster is in {crs}", seen.place)
        own, there = (parse_geotransform(values.get("geotransform")) for values in (row, seen.raw))
        if own is not None and there is not None and not _is_near(own, there):
            self.say("W708", f"geotransform is {own}, that of the raster {there}", seen.place)
        size = parse_size(row.get("proj_shape"))
        if size is not None and rows and (size[0] > rows or size[1] > columns):
            self.say("W709", f"proj_shape is {size[0]} x {size[1]}, the raster {rows} x {columns}", seen.place)


def _is_near(one: Geotransform, other: Geotransform) -> bool:
    """Whether two place a corner, and a pixel, at the same spot but for a thousandth of a pixel."""
    pixel = max(map(abs, (*other[1:3], *other[4:])))
    return all(abs(a - b) <= _NEAR * pixel for a, b in zip(one, other, strict=True))
