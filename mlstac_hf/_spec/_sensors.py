"""The bands of common sensors, by the sensor's name.

Owns: names, common names and wavelengths as the agencies publish them, and the names sensors go by. Leaves to
others: which bands a collection has (`_collection`), where they lie in a tensor (`reading`).

The numbers are those of:

- Sentinel-2: ESA, Sentinel-2 Mission Requirements Document (the design values of "Sentinel-2", one set for all
  satellites), and the MSI User Guide, "Spatial Resolution" (as built, "Sentinel-2A" and "Sentinel-2B").
- Landsat 1 to 9: USGS, "What are the band designations for the Landsat satellites?", and for OLI and TIRS the Landsat
  8 Data Users Handbook, table 2-1, to three digits; OLI-2 and TIRS-2 of Landsat 9 are copies of them.
- MODIS: NASA, MODIS Technical Specifications. ASTER: ASTER Users Handbook (NASA JPL), table 1; 3B looks backwards
  through the filter of 3N. EO-1 ALI: USGS, EO-1 User Guide, table of ALI bands.

Common names are those of the STAC EO extension 2.0, each at most once a sensor, as it asks.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlstac_hf._errors import UnknownNameError
from mlstac_hf._spec._parts import Band

_MSI = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_NOT_IN_L2A = "B10"
_TABLES = {
    # centre/width
    "Sentinel-2": """443/20 coastal, 490/65 blue, 560/35 green, 665/30 red, 705/15 rededge071, 740/15 rededge075,
        783/20 rededge078, 842/115 nir, 865/20 nir08, 945/20 nir09, 1375/30 cirrus, 1610/90 swir16, 2190/180 swir22""",
    "Sentinel-2A": """442.7/21 coastal, 492.4/66 blue, 559.8/36 green, 664.6/31 red, 704.1/15 rededge071,
        740.5/15 rededge075, 782.8/20 rededge078, 832.8/106 nir, 864.7/21 nir08, 945.1/20 nir09, 1373.5/31 cirrus,
        1613.7/91 swir16, 2202.4/175 swir22""",
    "Sentinel-2B": """442.2/21 coastal, 492.1/66 blue, 559.0/36 green, 664.9/31 red, 703.8/16 rededge071,
        739.1/15 rededge075, 779.7/20 rededge078, 832.9/106 nir, 864.0/22 nir08, 943.2/21 nir09, 1376.9/30 cirrus,
        1610.4/94 swir16, 2185.7/185 swir22""",
    # from-to
    "MSS": "500-600 green, 600-700 red, 700-800, 800-1100 nir",
    "TM": """450-520 blue, 520-600 green, 630-690 red, 760-900 nir, 1550-1750 swir16, 10400-12500 lwir,
        2080-2350 swir22""",
    "ETM+": """450-520 blue, 520-600 green, 630-690 red, 770-900 nir, 1550-1750 swir16, 10400-12500 lwir,
        2090-2350 swir22, 520-900 pan""",
    "OLI": """435-451 coastal, 452-512 blue, 533-590 green, 636-673 red, 851-879 nir08, 1566-1651 swir16,
        2107-2294 swir22, 503-676 pan, 1363-1384 cirrus""",
    "TIRS": "10600-11190 lwir11, 11500-12510 lwir12",
    "MODIS": """620-670 red, 841-876 nir, 459-479 blue, 545-565 green, 1230-1250, 1628-1652 swir16, 2105-2155 swir22,
        405-420, 438-448, 483-493, 526-536 green05, 546-556, 662-672, 673-683, 743-753, 862-877, 890-920, 931-941,
        915-965, 3660-3840, 3929-3989, 3929-3989, 4020-4080, 4433-4498, 4482-4549, 1360-1390 cirrus, 6535-6895,
        7175-7475, 8400-8700, 9580-9880, 10780-11280 lwir11, 11770-12270 lwir12, 13185-13485, 13485-13785, 13785-14085,
        14085-14385""",
    "ASTER": """520-600 green, 630-690 red, 780-860 nir, 1600-1700 swir16, 2145-2185, 2185-2225 swir22, 2235-2285,
        2295-2365, 2360-2430, 8125-8475, 8475-8825, 8925-9275, 10250-10950, 10950-11650""",
    "ALI": """480-690 pan, 433-453 coastal, 450-515 blue, 525-605 green, 630-690 red, 775-805 nir, 845-890 nir08,
        1200-1300, 1550-1750 swir16, 2080-2350 swir22""",
}
"""By instrument: wavelengths in nm, and the common name where there is one."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """An instrument on a satellite."""

    name: str
    bands: tuple[Band, ...]
    stac: Mapping[str, str]
    """`constellation`, `platform` and `instruments` (one or two words), as STAC calls them."""


def _bands(instrument: str, names: Sequence[str]) -> tuple[Band, ...]:
    rows = _TABLES[instrument].split(",")
    return tuple(_band(name, *row.split()) for name, row in zip(names, rows, strict=True))


def _band(name: str, wave: str, common_name: str | None = None) -> Band:
    first, last = map(float, wave.replace("-", "/").split("/"))
    center, width = ((first + last) / 2, last - first) if "-" in wave else (first, last)
    return Band(
        name=name,
        common_name=common_name,
        center_wavelength=round(center / 1000, 6),
        full_width_half_max=round(width / 1000, 6),
        unit="um",
    )


def _numbered(count: int, first: int = 1, *, digits: int = 1) -> tuple[str, ...]:
    return tuple(f"B{number:0{digits}}" for number in range(first, first + count))


def _sensors() -> dict[str, Sensor]:
    found: dict[str, Sensor] = {}

    def add(name: str, bands: tuple[Band, ...], instruments: str, **where: str) -> None:
        found[name] = Sensor(name=name, bands=bands, stac={**where, "instruments": instruments})

    for name in ("Sentinel-2", "Sentinel-2A", "Sentinel-2B"):
        where = {"constellation": "sentinel-2", **({"platform": name.lower()} if name != "Sentinel-2" else {})}
        bands = _bands(name, _MSI)
        add(name, bands, "msi", **where)
        add(f"{name} L2A", tuple(band for band in bands if band.name != _NOT_IN_L2A), "msi", **where)
    for number in range(1, 6):  # until Landsat 3 numbered on from the vidicon's three
        bands = _bands("MSS", _numbered(4, 4 if number <= 3 else 1))  # noqa: PLR2004 - Landsat 3
        add(f"Landsat {number} MSS", bands, "mss", platform=f"landsat-{number}")
    for number in (4, 5):
        add(f"Landsat {number} TM", _bands("TM", _numbered(7)), "tm", platform=f"landsat-{number}")
    add("Landsat 7 ETM+", _bands("ETM+", _numbered(8)), "etm+", platform="landsat-7")
    for number in (8, 9):
        oli, tirs = _bands("OLI", _numbered(9)), _bands("TIRS", _numbered(2, 10))
        where = {"platform": f"landsat-{number}"}
        add(f"Landsat {number} OLI/TIRS", oli + tirs, "oli tirs", **where)
        add(f"Landsat {number} OLI", oli, "oli", **where)
        add(f"Landsat {number} TIRS", tirs, "tirs", **where)
    add("MODIS", _bands("MODIS", _numbered(36, digits=2)), "modis")
    aster = ("B01", "B02", "B3N", *_numbered(11, 4, digits=2))
    add("ASTER", _bands("ASTER", aster), "aster", platform="terra")
    add("EO-1 ALI", _bands("ALI", _numbered(10, digits=2)), "ali", platform="eo-1")
    return found


SENSORS: Mapping[str, Sensor] = MappingProxyType(_sensors())
"""Every known sensor by name."""

_OTHER_NAMES = {
    **{f"landsat{number}": f"Landsat {number} MSS" for number in (1, 2, 3)},
    **{f"landsat{number}": f"Landsat {number} TM" for number in (4, 5)},
    "landsat7": "Landsat 7 ETM+",
    **{f"landsat{number}": f"Landsat {number} OLI/TIRS" for number in (8, 9)},
    "eo1": "EO-1 ALI",
    "ali": "EO-1 ALI",
    "terramodis": "MODIS",
    "aquamodis": "MODIS",
    "terraaster": "ASTER",
    "sentinel2c": "Sentinel-2",  # the design values, as for all
    "sentinel2cl2a": "Sentinel-2 L2A",
}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


_BY_PLAIN_NAME = {_plain(name): sensor for name, sensor in SENSORS.items()}
_BY_PLAIN_NAME |= {short: SENSORS[name] for short, name in _OTHER_NAMES.items()}


def find_sensor(name: str) -> Sensor | None:
    """A sensor by a name such as `Sentinel-2`, `S2A L2A`, `landsat-8 OLI` or `LANDSAT_5`; None where it is unknown.

    A Landsat without an instrument is its TM, ETM+, or OLI and TIRS together, and MSS where it has nothing newer.
    """
    plain = _plain(name).replace("msi", "").removesuffix("l1c").replace("oli2", "oli").replace("tirs2", "tirs")
    if plain.startswith("s2"):
        plain = f"sentinel2{plain.removeprefix('s2')}"
    for short in ("landsat0", "l0", "l"):
        if plain.startswith(short) and plain[len(short) :][:1].isdigit():
            plain = f"landsat{plain.removeprefix(short)}"
    return _BY_PLAIN_NAME.get(plain)


def near_sensors(name: str) -> list[str]:
    """Names of sensors that an unknown one may have meant, the likeliest first."""
    near = difflib.get_close_matches(_plain(name), _BY_PLAIN_NAME, n=3, cutoff=0.8)
    return list(dict.fromkeys(_BY_PLAIN_NAME[plain].name for plain in near))


def bands_of(sensor: str) -> tuple[Band, ...]:
    """The bands of a sensor, with common names and with wavelengths in micrometres.

    Args:
        sensor: such as `Sentinel-2` (all 13; `Sentinel-2 L2A` has no B10), `S2A`, `Landsat 8`, `landsat-8 OLI`,
            `Landsat 5 MSS`, `MODIS`, `ASTER` or `EO-1 ALI`. Case, blanks, dashes and underscores do not matter.

    Raises:
        UnknownNameError: it is not known here; the message lists those that are.

    Example:
        >>> red = bands_of("Sentinel-2")[3]
        >>> red.name, red.common_name, red.center_wavelength, red.full_width_half_max
        ('B04', 'red', 0.665, 0.03)
    """
    found = find_sensor(sensor)
    if found is None:
        raise UnknownNameError(
            f"no bands are known of sensor {sensor!r}: expected one of {', '.join(SENSORS)}. "
            "For another, describe the bands: Band(name=…, center_wavelength=…, full_width_half_max=…, unit='um')."
        )
    return found.bands


def complete_bands(bands: Sequence[object], sensor: str | None) -> list[object]:
    """Bands given by name alone, completed from the sensor's table; others are left as they are.

    Args:
        bands: names as the sensor has them (`B4` will do for `B04`) or common names, and Bands.
        sensor: of the collection; names stay bare where it is None or unknown.

    Returns:
        The same bands; one that was a name keeps that name, and its position is its index.

    Raises:
        UnknownNameError: the sensor has no such band; the message lists those it has.
    """
    known = find_sensor(sensor) if sensor else None
    by_name: dict[str, Band] = {}
    for band in known.bands if known else ():
        by_name[_band_name(band.name)] = band
        by_name.setdefault(band.common_name or "", band)
    unknown = [name for name in bands if isinstance(name, str) and _band_name(name) not in by_name]
    if known and unknown:
        raise UnknownNameError(
            f"{known.name} has no band {', '.join(map(repr, unknown))}: expected "
            f"{', '.join(band.name for band in known.bands)}, or one of their common names. "
            "Describe a plane of another origin with Band(name=…)."
        )
    return [
        by_name.get(_band_name(band), Band(name=band)).model_copy(update={"name": band, "index": position})
        if isinstance(band, str)
        else band
        for position, band in enumerate(bands)
    ]


def _band_name(name: str) -> str:
    """`B4`, `b04`, `SR_B4` and `4` as one; a common name as it is."""
    plain = name.casefold().strip().removeprefix("sr_").removeprefix("st_")
    digits = plain.removeprefix("band").removeprefix("b").strip("_ ").lstrip("0")
    return f"b{digits}" if digits[:1].isdigit() else plain or "?"
