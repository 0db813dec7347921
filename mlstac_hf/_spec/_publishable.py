"""Whether a collection can be published as it is, and what its publisher should mend first.

Owns: the checks of what is asked of every collection: id, title, description, licence, tasks, splits, extent.
Leaves to others: people and addresses (`_publishable_people`), labels, bands and dimensions
(`_publishable_tensors`), the samples (`write`, `validate`). Reading asks for none of this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlstac_hf._spec._dialect_splits import STANDARD as STANDARD_SPLITS
from mlstac_hf._spec._extent import plain_boxes, plain_intervals
from mlstac_hf._spec._licenses import is_known_license, license_parts, near_licenses, needs_link
from mlstac_hf._spec._main_json import Layout
from mlstac_hf._spec._parts import Catalog
from mlstac_hf._spec._problems import Problem, Problems, error, is_relative, is_url, warning
from mlstac_hf._spec._publishable_people import check_links_of, check_people_of, check_providers_of
from mlstac_hf._spec._publishable_tensors import check_bands_of, check_dimensions_of, check_labels_of
from mlstac_hf._spec._tasks import TASKS, find_task, near_tasks

if TYPE_CHECKING:
    from mlstac_hf._spec._collection import Collection

_LONGEST_NAME = 200
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NO_FILE_NAME = frozenset('/\\:*?"<>|')
_OWN_TASKS = ", ".join(name for name in TASKS if name[0].isupper())
"""Of ML-STAC; all names would fill a screen."""


def check_publishable(collection: Collection, layout: Layout | None = None) -> list[Problem]:
    """What keeps a collection from being published, and what its publisher will want to know.

    Args:
        collection: built in code or read; it need not have splits yet, `write` adds them.
        layout: that it is to be written in, where some things are asked of one layout only.

    Returns:
        Problems in the order of the collection's fields. Those with `is_error` make `write` refuse.

    Example:
        >>> from mlstac_hf import Collection
        >>> ponds = Collection(id="ponds", title="Ponds", description="…", license="CC BY 4.0", task=["TensorToTensor"])
        >>> for problem in check_publishable(ponds):
        ...     print(problem)
        license: expected an SPDX identifier such as CC-BY-4.0, found 'CC BY 4.0'. Did you mean CC-BY-4.0?
    """
    return [
        *_check_id(collection.id),
        *_check_words(collection),
        *_check_license(collection),
        *_check_tasks(collection),
        *check_labels_of(collection),
        *check_bands_of(collection),
        *check_dimensions_of(collection),
        *_check_splits(collection, layout),
        *check_providers_of(collection),
        *check_people_of(collection),
        *check_links_of(collection),
        *_check_extent(collection),
    ]


def _check_id(id_: str) -> Problems:
    if not id_.strip():
        yield error("id-missing", "id", "expected a name for the collection, found none. Give id='my-collection'.")
    elif id_ != id_.strip() or id_ in (".", "..") or not id_.isprintable() or set(id_) & _NO_FILE_NAME:
        yield error(
            "id-unsafe",
            "id",
            f"expected a name that can be a folder's, found {id_!r}. Readers store the collection under it: use "
            "letters, digits, '-', '_' and '.'.",
        )
    elif len(id_.encode()) > _LONGEST_NAME:
        yield error("id-long", "id", f"expected at most {_LONGEST_NAME} bytes, found {len(id_.encode())}. Shorten it.")
    elif not _PLAIN_ID.fullmatch(id_):
        yield warning(
            "id-odd",
            "id",
            f"expected letters, digits, '-', '_' and '.', found {id_!r}. It works, and has to be quoted in addresses; "
            "the title is the place for words.",
        )


def _check_words(collection: Collection) -> Problems:
    title = collection.title
    if title is None:
        yield warning("title-missing", "title", "expected a title, found none. The id is shown in its place.")
    elif not title.strip() or not title.isprintable() or len(title) > _LONGEST_NAME:
        yield error(
            "title",
            "title",
            f"expected one line of 1 to {_LONGEST_NAME} characters, found {title[:60]!r}. More fits the description.",
        )
    if not (collection.description or "").strip():
        yield warning(
            "description-missing",
            "description",
            "expected what is in the collection and how it was made, found nothing. STAC asks for it: give "
            "description='…'.",
        )


def _check_license(collection: Collection) -> Problems:
    license_ = (collection.license or "").strip()
    parts = license_parts(license_)
    if not license_:
        yield warning(
            "license-missing",
            "license",
            "expected an SPDX identifier such as CC-BY-4.0, found none. Without one nobody may use the data.",
        )
    elif parts is None:
        yield error(
            "license-malformed",
            "license",
            f"expected an SPDX identifier such as CC-BY-4.0, found {license_!r}. {_license_hint(license_)}",
        )
    for part in dict.fromkeys(parts or ()):
        if not is_known_license(part):
            yield warning(
                "license-unknown",
                "license",
                f"expected an SPDX identifier known for data, found {part!r}. {_license_hint(part)}",
            )
    if needs_link(license_) and not any(link.rel == "license" for link in collection.links):
        yield warning(
            "license-link",
            "links",
            f"expected a link to the text of licence {license_!r}, found none. Add "
            "links=[{'rel': 'license', 'href': 'https://…'}].",
        )


def _license_hint(license_: str) -> str:
    near = near_licenses(license_)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "Look it up at https://spdx.org/licenses; one that is not there is LicenseRef-<name>."


def _check_tasks(collection: Collection) -> Problems:
    if not collection.task:
        yield warning(
            "task-missing",
            "task",
            f"expected what the samples are for, found none. Give task=['…'], one of {_OWN_TASKS}, or a task of the "
            "Hugging Face Hub such as image-segmentation.",
        )
    for position, name in enumerate(collection.task):
        if find_task(name) is None:
            near = near_tasks(name)
            hint = (
                f"Did you mean {' or '.join(near)}?"
                if near
                else f"Known are {_OWN_TASKS}, and tasks of the Hugging Face Hub such as image-segmentation."
            )
            yield warning("task-unknown", f"task[{position}]", f"expected a known task, found {name!r}. {hint}")


def _check_splits(collection: Collection, layout: Layout | None) -> Problems:
    splits = collection.splits
    if splits and any(name not in splits for name in STANDARD_SPLITS):
        yield warning(
            "split-missing",
            "splits",
            f"expected {', '.join(STANDARD_SPLITS)}, found {', '.join(splits)}. The mlstac package asks for all three; "
            "for one that is missing an empty entry is written.",
        )
    for name, catalog in splits.items():
        yield from _check_split(name, catalog, layout)


def _check_split(name: str, catalog: Catalog, layout: Layout | None) -> Problems:
    place = f"splits[{name!r}]"
    hrefs = [file.href for file in catalog.data_files]
    if name not in STANDARD_SPLITS:
        yield warning(
            "split-name",
            place,
            f"expected {', '.join(STANDARD_SPLITS)}, found {name!r}. The mlstac package does not read it.",
        )
    if catalog.misstated is not None or (catalog.n_items is None and not hrefs):
        yield warning(
            "split-count",
            f"{place}.n_items",
            f"expected how many samples there are, found {catalog.misstated or 'nothing'}. Where folders cannot be "
            "listed nothing else says so.",
        )
    if catalog.link is not None and not is_url(catalog.link) and not is_relative(catalog.link):
        yield warning(
            "split-link",
            f"{place}.link",
            f"expected the address the samples will be published at, https://…, or a folder beside main.json such as "
            f"{name}/, found {catalog.link!r}. The mlstac package downloads from there.",
        )
    if len(set(hrefs)) < len(hrefs):
        yield error("split-files", f"{place}.data_files", "expected every file once, found a double. Remove it.")
    if hrefs and layout == "samples":
        yield error(
            "split-layout",
            f"{place}.data_files",
            f"expected no containers in the sample layout, found {len(hrefs)}. Write with layout='container'.",
        )


def _check_extent(collection: Collection) -> Problems:
    extent = collection.extent
    strange = next((box for box in extent.bbox if not plain_boxes([box])), None) if extent else None
    if strange is not None:
        yield warning(
            "extent-bbox",
            "extent.bbox",
            f"expected boxes (west, south, east, north) in degrees, found {strange}. What the samples say of "
            "their place is written instead, or the whole world.",
        )
    odd = next((interval for interval in extent.interval if not plain_intervals([interval])), None) if extent else None
    if odd is not None:
        yield warning(
            "extent-interval",
            "extent.interval",
            f"expected pairs of ISO 8601 times, start before end, found {odd}. An open interval is written instead.",
        )
