"""What a publisher should mend in what a collection says of people, organisations and addresses.

Owns: those checks. Leaves to others: what is asked of the collection itself (`_publishable`), whether an address
answers (nobody: `spec` opens nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlstac_hf._spec._main_json import ROLES
from mlstac_hf._spec._parts import Person
from mlstac_hf._spec._problems import Problems, doi_of, error, is_email, is_url, is_web_page, warning

if TYPE_CHECKING:
    from mlstac_hf._spec._collection import Collection

SCORES = range(6)


def check_people_of(collection: Collection) -> Problems:
    """Authors, curators and reviewers: names, organisations, addresses; scores of reviewers."""
    for field in ("authors", "curators", "reviewers"):
        for position, person in enumerate(getattr(collection, field)):
            yield from _check_person(person, f"{field}[{position}]", is_reviewer=field == "reviewers")


def _check_person(person: Person, place: str, *, is_reviewer: bool) -> Problems:
    if not person.name.strip():
        yield error("person-name", f"{place}.name", "expected a name, found an empty one. Name the person.")
    if not person.organization:
        yield warning(
            "person-organization",
            f"{place}.organization",
            f"expected where {person.name or 'the person'} works, found nothing. The mlstac package reads nobody "
            "without; an empty text is written.",
        )
    if person.score is not None and person.score not in SCORES:
        yield error(
            "person-score",
            f"{place}.score",
            f"expected a whole number from 0 to {SCORES[-1]}, {SCORES[-1]} the best, found {person.score}. Correct it.",
        )
    if person.score is not None and not is_reviewer:
        yield warning(
            "person-score",
            f"{place}.score",
            f"expected scores of reviewers alone, found {person.score}. Did you mean to list {person.name} under "
            "reviewers?",
        )
    extra = person.model_extra or {}
    for key, value in _addresses(extra, ("email", "emails"), "value"):
        if not is_email(value):
            yield error(
                "person-email",
                f"{place}.{key}",
                f"expected an email address such as ada@example.org, found {value!r}. Correct it, or leave it out.",
            )
    for key, value in _addresses(extra, ("url", "links"), "href"):
        if not is_web_page(value):
            yield error("person-url", f"{place}.{key}", _no_page(value))


def _addresses(extra: dict[str, Any], keys: tuple[str, ...], inner: str) -> Iterator[tuple[str, Any]]:
    """Every address under these keys, given bare, in a list, or as `{inner: address}`."""
    for key in keys:
        value = extra.get(key)
        if value is None:
            continue
        for position, item in enumerate(value if isinstance(value, list | tuple) else [value]):
            place = f"{key}[{position}]" if isinstance(value, list | tuple) else key
            yield place, item.get(inner) if isinstance(item, dict) else item


def _no_page(value: object) -> str:
    return f"expected the address of a page, https://…, found {value!r}. Correct it, or leave it out."


def check_providers_of(collection: Collection) -> Problems:
    """Names, STAC's roles, pages."""
    for position, provider in enumerate(collection.providers):
        place = f"providers[{position}]"
        if not provider.name.strip():
            yield error("provider-name", f"{place}.name", "expected a name, found an empty one. Name the organisation.")
        unknown = [role for role in provider.roles if role not in ROLES]
        if unknown:
            yield warning(
                "provider-roles",
                f"{place}.roles",
                f"expected roles out of {', '.join(ROLES)}, found {', '.join(map(repr, unknown))}. STAC has no others; "
                "say the rest in the description.",
            )
        if provider.url is not None and not is_web_page(provider.url):
            yield error("provider-url", f"{place}.url", _no_page(provider.url))


def check_links_of(collection: Collection) -> Problems:
    """The paper, the pages of the raw data and the discussion, and STAC's links."""
    paper = collection.paper
    if paper is not None and doi_of(paper) is None and not is_web_page(paper):
        yield error(
            "paper",
            "paper",
            f"expected a DOI such as 10.1038/s41597-022-01878-2, or https://…, found {paper!r}. Give the address of "
            "the paper; a citation belongs into the description.",
        )
    for field in ("raw_data_url", "discussion_url"):
        value = getattr(collection, field)
        if value is not None and not is_url(value):
            yield error(field.replace("_", "-"), field, _no_page(value))
    for position, link in enumerate(collection.links):
        place = f"links[{position}]"
        if not link.href or any(map(str.isspace, link.href)):
            yield error(
                "link-href", f"{place}.href", f"expected an address without blanks, found {link.href!r}. Correct it."
            )
        if not link.rel:
            yield warning(
                "link-rel",
                f"{place}.rel",
                f"expected what {link.href} is to the collection, such as 'license', 'cite-as' or 'about', found "
                "nothing. STAC asks for it; 'related' is written.",
            )
