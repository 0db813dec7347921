"""The command line, `mlstac-hf`: thin over the library.

Owns: the commands and `demo`, exit codes. Leaves to others: the other commands (`_cli_*`), how a table or a number
looks on a terminal (`_terminal`), and everything else.
Exit codes: 0 done, 1 the data is bad, 2 the call is wrong, 3 the network or store failed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mlstac_hf import _cli_convert, _cli_download, _cli_info, _cli_push, _cli_validate
from mlstac_hf._errors import (
    CollectionNotFoundError,
    CollectionWarning,
    MissingExtraError,
    MLSTACError,
    StoreError,
    UnknownNameError,
)
from mlstac_hf._hf import load_dataset
from mlstac_hf._load import load
from mlstac_hf._reading import open_collection
from mlstac_hf._terminal import BAD_CALL, BAD_DATA, DONE, STORE_FAILED, complain, size, table
from mlstac_hf._version import __version__


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
        complain(f"error: {error}")
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

    _cli_info.add_to(commands)
    _cli_validate.add_to(commands)
    _cli_download.add_to(commands)
    _cli_convert.add_to(commands)
    _cli_push.add_to(commands)
    return parser


def _code(error: Exception) -> int:
    if isinstance(error, StoreError):
        return STORE_FAILED
    if isinstance(error, MLSTACError):
        wrong_call = CollectionNotFoundError | UnknownNameError | MissingExtraError
        return BAD_CALL if isinstance(error, wrong_call) else BAD_DATA
    return BAD_CALL if isinstance(error, ValueError | FileExistsError) else STORE_FAILED


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our own warnings as one line each; those of libraries below are for programmers."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        complain(f"warning: {message}")

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
    from mlstac_hf._demo import SHEET, make_collection
    from mlstac_hf._pictures import contact_sheet

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
