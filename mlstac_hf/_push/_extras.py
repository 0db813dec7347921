"""What a push needs besides this package.

Owns: which packages, and what is said where some are not there. Leaves to others: what they are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from mlstac_hf._errors import MissingExtraError

_HF = ("datasets", "huggingface_hub")
_SELECT = ("shapely", "pyproj")
_PLOT = ("PIL",)
_CALLED = {"PIL": "Pillow"}


def check_extras(*, preview: bool, dry_run: bool) -> None:
    """See that all is there before anything is read.

    Args:
        preview: whether small pictures are drawn.
        dry_run: whether nothing is made: tables and pictures are then only planned.

    Raises:
        MissingExtraError: it names all that is missing, and the one line to type.
    """
    said = _lacking({"hf": _HF} if dry_run else _needed(preview=preview))
    if said:
        raise MissingExtraError(said)


def lacking_for_real(*, preview: bool) -> str | None:
    """What a dry run does not need and the push will; None where all is there."""
    return _lacking(_needed(preview=preview))


def _needed(*, preview: bool) -> dict[str, tuple[str, ...]]:
    return {"hf": _HF, "select": _SELECT, **({"plot": _PLOT} if preview else {})}


def _lacking(needed: Mapping[str, tuple[str, ...]]) -> str | None:
    missing = [_CALLED.get(name, name) for names in needed.values() for name in names if find_spec(name) is None]
    if not missing:
        return None
    *others, last = missing
    text = f"{', '.join(others)} and {last}, which are" if others else f"{last}, which is"
    way_round = ". Without Pillow: preview=False (--no-preview)" if "Pillow" in missing else ""
    return f"push needs {text} not installed. Install with: pip install 'mlstac-hf[{','.join(needed)}]'{way_round}"
