"""`validate()`: every check over every sample of a collection.

Owns: which checks there are, and that nothing a collection holds ends a validation. Leaves to others: what they look
for (the modules `_check_*`), going through samples (`_scan`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlstac_hf._errors import CollectionWarning, MLSTACError
from mlstac_hf._reading import Address, open_collection, origin_of
from mlstac_hf._spec import Collection
from mlstac_hf._stores import hide
from mlstac_hf._validate._check import Check, Survey
from mlstac_hf._validate._check_checksums import ChecksumCheck
from mlstac_hf._validate._check_document import DocumentCheck
from mlstac_hf._validate._check_doubles import DoubleCheck
from mlstac_hf._validate._check_files import FileCheck
from mlstac_hf._validate._check_ground import GroundCheck
from mlstac_hf._validate._check_metadata import MetadataCheck
from mlstac_hf._validate._check_table import TableCheck
from mlstac_hf._validate._check_targets import TargetCheck
from mlstac_hf._validate._check_tensors import TensorCheck
from mlstac_hf._validate._findings import Findings
from mlstac_hf._validate._report import Distance, Place, Report
from mlstac_hf._validate._scan import open_part_of, scan

CHECKS: tuple[type[Check], ...] = (
    DocumentCheck,
    ChecksumCheck,
    FileCheck,
    TableCheck,
    TensorCheck,
    MetadataCheck,
    TargetCheck,
    DoubleCheck,
    GroundCheck,
)


def validate(
    address: Address,
    deep: bool = False,  # noqa: FBT001, FBT002 - the contract of the public names
    *,
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,  # noqa: ARG001 - shared by all entry points; nothing is kept here
) -> Report:
    """Say what is wrong with a collection, and where.

    Nothing it is given ends it: what cannot be read is a finding. Memory grows by some hundred bytes a sample.

    Args:
        address: a path of `main.json` or of its folder, an http(s) URL of either, `user/repo` or
            `hf://datasets/user/repo[@revision]` on the Hub, any fsspec URL, or an open Collection.
        deep: read the pixels too: checksums, values against labels, doubles, and of containers what is in the
            rasters. Without it, of sample files only headers are read, of containers headers and `metadata.parquet`.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: accepted as everywhere; validation keeps nothing.

    Returns:
        Report: `.ok`, `.errors`, `.warnings`, `.notes`, each finding with a code (docs/validate.md) and a place;
        `str(report)` is a page of text, `report.to_dict()` JSON.

    Example:
        >>> report = validate(demo)
        >>> report.ok, len(report.errors), report.samples
        (True, 0, {'train': 24, 'validation': 8, 'test': 8})
    """
    shown = _shown(address)
    findings, samples, distances = Findings(), dict[str, int](), list[Distance]()
    with _quiet():
        try:
            collection = open_collection(
                address, revision=revision, token=token, storage_options=storage_options, trust_links=trust_links
            )
            origin_of(collection)
        except MLSTACError as error:
            findings.error(error)
        except ValueError as error:  # an address or a token that cannot be sent
            findings.say("E101", str(error))
        except Exception as error:  # noqa: BLE001 - nothing a collection holds may end a validation
            findings.say("E999", f"opening the collection: {type(error).__name__}: {error}")
        else:
            survey = Survey(collection=collection, findings=findings, distances=distances, deep=deep)
            samples = _run(survey)
    return Report(
        address=shown,
        deep=deep,
        findings=findings.all(),
        left_out=dict(findings.left_out),
        distances=tuple(distances),
        samples=samples,
    )


def _run(survey: Survey) -> dict[str, int]:
    """All checks over all splits; how many samples could be read, by split."""
    samples: dict[str, int] = {}
    checks = [check(survey) for check in CHECKS]
    for check in checks:
        check.guarded(check.begin, Place())
    for name in origin_of(survey.collection).catalogs:
        try:
            _run_split(survey, checks, name, samples)
        except Exception as error:  # noqa: BLE001 - as above
            survey.findings.say("E999", f"reading a split: {type(error).__name__}: {error}", Place(split=name))
    for check in checks:
        check.guarded(check.end, Place())
    return samples


def _run_split(survey: Survey, checks: Sequence[Check], name: str, samples: dict[str, int]) -> None:
    """All checks over one split; counts its samples that could be read."""
    part = open_part_of(survey.collection, name, survey.findings)
    if part is None:
        return
    for check in checks:
        check.guarded(check.split, part.place(), part)
    samples[name] = 0
    for seen in scan(part, survey.findings, deep=survey.deep):
        samples[name] += 1
        for check in checks:
            check.guarded(check.sample, seen.place, part, seen)
    for check in checks:
        check.guarded(check.split_end, part.place(), part)


def _shown(address: Address) -> str:
    if isinstance(address, Collection):
        origin = address._origin
        return hide(origin.address) if origin is not None else address.id
    return hide(os.fspath(address))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what readers warn of: all of it is a finding here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectionWarning)
        yield
