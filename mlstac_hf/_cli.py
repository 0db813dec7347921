"""The command line, `mlstac-hf`: thin over the library.

Owns: arguments, exit codes, and which facts are printed in which order. Leaves to others: how a table or a number
looks on a terminal (`_terminal`), and everything else.
Exit codes: 0 done, 1 the data is bad, 2 the call is wrong, 3 the network or store failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mlstac_hf._errors import (
    CollectionNotFoundError,
    CollectionWarning,
    MissingExtraError,
    MLSTACError,
    StoreError,
    UnknownNameError,
)
from mlstac_hf._hf import load_dataset
from mlstac_hf._info import facts_of
from mlstac_hf._load import load
from mlstac_hf._reading import Selection, open_collection
from mlstac_hf._terminal import capped, number, printable, size, table
from mlstac_hf._version import __version__

DONE, BAD_DATA, BAD_CALL, STORE_FAILED = 0, 1, 2, 3

_WIDTH = 80


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; default those of this process.

    Returns:
        The exit code. A wrong command line leaves through SystemExit(2), as argparse has it.
    """
    arguments = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    try:
        with _plain_warnings():
            code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (MLSTACError, OSError, ValueError) as error:
        _complain(f"error: {error}")
        return _code(error)
    return code


def _joined(argv: Sequence[str]) -> list[str]:
    """`--bbox -4,36,0,44` as `--bbox=-4,36,0,44`: argparse takes a leading minus for an option."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] == "--bbox":
            joined[-1] = f"--bbox={argument}"
        else:
            joined.append(argument)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlstac-hf",
        description="Earth-observation training data published as ML-STAC.",
        epilog="exit codes: 0 done, 1 the data is bad, 2 the call is wrong, 3 the network or store failed",
    )
    parser.add_argument("--version", action="version", version=f"mlstac-hf {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="make a small collection, read it every way there is, draw it")
    demo.add_argument("--out", metavar="DIR", default="mlstac-demo", help="where to write (default: %(default)s)")
    demo.set_defaults(run=_demo)

    info = commands.add_parser("info", help="say what is in a collection")
    info.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub repository")
    info.add_argument("--filter", metavar="CQL2", help='count the samples that meet this, such as "cloud < 20"')
    info.add_argument("--bbox", metavar="W,S,E,N", help="count those that meet this box, in degrees")
    info.add_argument("--datetime", metavar="TIMES", help="count those in this interval, such as 2018-01-01/2020-12-31")
    info.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    info.set_defaults(run=_info)
    return parser


def _code(error: Exception) -> int:
    if isinstance(error, StoreError):
        return STORE_FAILED
    if isinstance(error, MLSTACError):
        wrong_call = CollectionNotFoundError | UnknownNameError | MissingExtraError
        return BAD_CALL if isinstance(error, wrong_call) else BAD_DATA
    return BAD_CALL if isinstance(error, ValueError | FileExistsError) else STORE_FAILED


def _complain(message: str) -> None:
    print(printable(message, longest=None), file=sys.stderr)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our own warnings as one line each; those of libraries below are for programmers."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        _complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CollectionWarning)
        warnings.showwarning = show
        yield


# --- demo -----------------------------------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    lacking = [name for name in ("datasets", "matplotlib") if find_spec(name) is None]
    if lacking:
        raise MissingExtraError(
            f"mlstac-hf demo needs {' and '.join(lacking)}, which {'are' if len(lacking) > 1 else 'is'} not installed. "
            "Install it with: pip install 'mlstac-hf[hf,plot]'"
        )
    from mlstac_hf._demo import SHEET, contact_sheet, make_collection

    out = arguments.out
    print(f"mlstac-hf {__version__} demo: synthetic Sentinel-2-like scenes of farmland, and their land cover\n")
    with _step("make_collection") as say:
        folder = make_collection(out)
        files = list(folder.glob("*/*.safetensors"))
        say(f"{len(files)} samples in {out}, {size(sum(file.stat().st_size for file in files))}")
    with _step("open_collection") as say:
        collection = open_collection(out)
        counts = [f"{name} {catalog.n_items}" for name, catalog in collection.splits.items()]
        say(f"{', '.join(counts)}; {len(collection.bands)} bands, {len(collection.labels)} classes")
    with _step("load, numpy") as say:
        train = load(collection, framework="numpy")
        batch = train[:]
        say(f"{len(train)} samples, {size(sum(array.nbytes for array in batch.values()))} of tensors")
    with _step("import datasets") as say:
        import datasets

        say(f"version {datasets.__version__}")
    with _step("load_dataset") as say, _without_bars(datasets):
        dataset = load_dataset(collection)
        rows = sum(part.num_rows for part in dataset.values())
        cached = sum(os.path.getsize(file["filename"]) for part in dataset.values() for file in part.cache_files)
        say(f"{rows} rows, {size(cached)} of Arrow files in the cache")
    with _step("contact sheet") as say:
        sheet = os.path.join(out, SHEET)
        contact_sheet(train, sheet)
        say(f"wrote {sheet}, {size(os.path.getsize(sheet))}")
    print("\nFeatures of the dataset")
    table([(name, _feature(feature)) for name, feature in dataset["train"].features.items()])
    python = f'{_command("python")} -c "import mlstac_hf; print(mlstac_hf.{{}})"'
    address = repr(out)
    print("\nTry next")
    print(f"  {_command('mlstac-hf')} info {shlex.quote(out)}")
    print("  " + python.format(f"load({address}, framework='numpy')[0]['input']"))
    print("  " + python.format(f"load_dataset({address}, split='train')"))
    return DONE


def _command(name: str) -> str:
    """What to type for a program of this environment: its name, or its path where another one would answer."""
    own = os.path.join(os.path.dirname(sys.executable), name)
    if not os.path.exists(own) or shutil.which(name) == own:
        return name
    return shlex.quote(os.path.relpath(own) if own.startswith(os.getcwd() + os.sep) else own)


@contextmanager
def _step(name: str) -> Iterator[Any]:
    """Time a step; it says what came of it, and both are printed in one line."""
    said: list[str] = []
    start = time.perf_counter()
    yield said.append
    print(f"  {name:<16} {time.perf_counter() - start:7.3f} s   {''.join(said)}", flush=True)


@contextmanager
def _without_bars(datasets: Any) -> Iterator[None]:
    """Two seconds of work need no progress bar between the lines."""
    shown = not datasets.are_progress_bars_disabled()
    if shown:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _feature(feature: Any) -> str:
    """`Array3D (4, 64, 64) uint16`, whichever version of `datasets` it comes from."""
    inner, length = getattr(feature, "feature", feature), getattr(feature, "length", None)
    shape = getattr(feature, "shape", None) or (length and (length,))
    return " ".join(str(part) for part in (type(feature).__name__, shape, inner.dtype) if part)


# --- info -----------------------------------------------------------------------------------------------------


def _info(arguments: argparse.Namespace) -> int:
    collection = open_collection(arguments.address, revision=arguments.revision, trust_links=arguments.trust_links)
    asked = {"filter": arguments.filter, "bbox": arguments.bbox, "datetime": arguments.datetime}
    selection = Selection(**asked) if any(asked.values()) else None
    facts = {"address": arguments.address, **facts_of(collection, selection)}
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        _describe(facts)
    for problem in facts["problems"]:
        _complain(f"error: {problem}")
    return BAD_DATA if facts["problems"] else DONE


def _describe(facts: Mapping[str, Any]) -> None:
    print(printable(facts["title"] or facts["id"] or "(no title)"))
    if facts["description"]:
        print(textwrap.fill(printable(facts["description"], 1000), _WIDTH))
    about = {
        "id": facts["id"],
        "task": ", ".join(facts["task"]),
        "licence": facts["license"],
        "sensor": facts["sensor"],
        "size": None if facts["nbytes"] is None else size(facts["nbytes"]),
    }
    print()
    table([(name, printable(value or "-")) for name, value in about.items()])
    if facts["splits"]:
        print("\nSplits")
        columns = ("declared", "found", "nbytes", "selected", "selected_nbytes")
        shown = [name for name in columns if any(name in split for split in facts["splits"].values())]
        counts = [
            (printable(name), *((size if "nbytes" in column else number)(split.get(column)) for column in shown))
            for name, split in facts["splits"].items()
        ]
        table([("", *(name.replace("nbytes", "size").replace("_", " ") for name in shown)), *counts], right=range(1, 6))
    if facts["bands"]:
        print("\nBands" + ("" if facts["band_axis"] is None else f" (axis {facts['band_axis']} of input)"))
        table(capped([_band(band) for band in facts["bands"]]), right=(0,))
    if facts["labels"]:
        print("\nLabels")
        table(capped([(str(value), printable(name)) for name, value in facts["labels"].items()]), right=(0,))
    if facts["first_sample"]:
        sample = facts["first_sample"]
        print(f"\nFirst sample of {printable(sample['split'])}")
        rows = [(name, _tensor(tensor)) for name, tensor in sample["tensors"].items()]
        rows += [(key, _value(value)) for key, value in sample["metadata"].items()]
        table(capped([(printable(key, 30), printable(value, 60)) for key, value in rows]))
        if sample["planes"]:
            _describe_planes(sample["planes"], facts["address"])


def _tensor(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['dtype']} ({', '.join(map(str, tensor['shape']))})" if "shape" in tensor else str(tensor["dtype"])


def _describe_planes(planes: Mapping[str, Any], address: str) -> None:
    """What planes a raster has, and what to type where none of them is the target yet."""
    last = planes["count"] - 1
    if planes["target"]:
        print(f"\nThe raster has planes 0 to {last}; the target is {', '.join(map(str, planes['target']))}.")
    elif last:
        print(f"\nThe raster has planes 0 to {last}, all of them input. If some are the target, say which:")
        print(f"  mlstac_hf.load({address!r}, target=[{last}])")


def _value(value: object) -> str:
    if isinstance(value, list):  # a geotransform
        return ", ".join(f"{part:.9g}" for part in value)
    return "-" if value is None else str(value)


def _band(band: Mapping[str, Any]) -> tuple[str, ...]:
    centre, width = (
        f"{name} {band[key]:g} {band.get('unit', '')}".rstrip() if band.get(key) is not None else ""
        for name, key in (("centre", "center_wavelength"), ("width", "full_width_half_max"))
    )
    return (number(band.get("index")), *map(printable, (band["name"], band.get("common_name", ""), centre, width)))
