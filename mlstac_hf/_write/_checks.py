"""What is refused, and told, of a collection before a byte of it is written.

Owns: whether a split joins what is there, and who is told of what `check_publishable` finds. Leaves to others: those
checks (`_spec`), samples (`_sample`), files in the way (`_write`).
"""

from __future__ import annotations

from collections.abc import Iterable

from mlstac_hf._errors import warn
from mlstac_hf._spec import Catalog, Collection, Layout, check_publishable, is_url
from mlstac_hf._stores import MAIN
from mlstac_hf._write._facts import Totals
from mlstac_hf._write._main import is_there, joined, main_bytes
from mlstac_hf._write._plan import Outcome, Plan


def check_joins(plan: Plan, known: Collection | None) -> None:
    """Refuse a split that does not belong to the collection that is there.

    Raises:
        ValueError: it has another id, its splits lie in the other layout, or will be published elsewhere.
    """
    if known is None:
        return
    where = f"{plan.store.url.rstrip('/')}/{MAIN}"
    if known.id != plan.collection.id:
        raise ValueError(
            f"{where} is collection {known.id!r}; expected {plan.collection.id!r}, the id of the collection to write. "
            "Give both the same id, or choose another destination"
        )
    for name, catalog in known.splits.items():
        found: Layout = "container" if catalog.data_files else "samples"
        if found != plan.layout and is_there(catalog):
            raise ValueError(
                f'{where}: split {name!r} lies in layout="{found}"; expected the same of {plan.split!r}, '
                f'got layout="{plan.layout}"'
            )
    address = published_at(known)
    is_settled = address is not None or (plan.layout == "container" and any(map(is_there, known.splits.values())))
    if plan.url is not None and is_settled and plan.url.rstrip("/") != address:
        raise ValueError(
            f"{where}: its splits were written with url={address!r}; expected the same of {plan.split!r}, got "
            f"url={plan.url!r}. Leave url= out, or write all of them with it"
        )


def published_at(known: Collection | None) -> str | None:
    """The address of the folder of a collection, where its links agree on one."""
    found = set()
    for name, catalog in known.splits.items() if known else ():
        link = catalog.data_files[0].href.rpartition("/")[0] if catalog.data_files else catalog.link or ""
        folder, _, last = link.rstrip("/").rpartition("/")
        found.add(folder if last == name and is_url(folder) else None)
    return found.pop() if len(found) == 1 else None


def check_collection(plan: Plan, known: Collection | None, *, is_first: bool) -> None:
    """Refuse a collection that cannot be published, and tell what could be better.

    Args:
        plan: the call.
        known: what is there.
        is_first: whether no call before this one told it.

    Raises:
        ValueError: it cannot be published; the message lists all there is to mend.
    """
    described = plan.collection.model_copy(update={"splits": {}})  # whose splits are those it was read with
    problems = check_publishable(described, plan.layout)
    errors = [str(problem) for problem in problems if problem.is_error]
    if errors:
        raise ValueError(
            f"collection {plan.collection.id!r} cannot be published as it is, and nothing was written:{_listed(errors)}"
        )
    outcome = Outcome(catalog=Catalog(name=plan.split), checksums={})
    try:
        main_bytes(plan, joined(plan, known, Totals(), outcome))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"collection {plan.collection.id!r} holds what JSON has no word for, and nothing was written: {error}"
        ) from None
    if problems and is_first:
        warn(f"collection {plan.collection.id!r} is written, and could be better:{_listed(map(str, problems))}")


def _listed(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)
