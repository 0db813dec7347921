"""The heads of all samples of a split, in order, and what becomes of those that cannot be read.

Owns: going through a split once, with a progress bar. Leaves to others: what is asked of a head (`_index`, `_convert`).
"""

from __future__ import annotations

from collections.abc import Iterator

from tqdm.auto import tqdm

from mlstac_hf._errors import BAD_SAMPLE, MissingSampleError, MLSTACError
from mlstac_hf._reading._asking import WINDOW, in_windows
from mlstac_hf._reading._source import SampleHead, Source


def heads(source: Source, faults: list[str], *, skip: bool) -> Iterator[list[tuple[int, SampleHead | None]]]:
    """Index and head of each sample, a window of them at a time; None for one that cannot be read.

    Args:
        source: a split.
        faults: the messages of samples that cannot be read are added to it.
        skip: whether to go on after such a sample; else its error is raised.

    Raises:
        SampleError, LinkRefusedError: a sample that cannot be read; with `skip` only where a whole window of samples is
            missing, or the number that main.json claims would keep us forever.
        StoreError: the network or disk failed.
    """

    def head(index: int) -> SampleHead | MLSTACError:
        try:
            return source.head(index)
        except BAD_SAMPLE as error:
            return error

    with tqdm(
        total=len(source), desc=f"{source.split}: headers", unit=" samples", disable=None, delay=2, leave=False
    ) as bar:
        for window, answers in in_windows(head, range(len(source)), is_local=source.is_local):
            errors = [answer for answer in answers if isinstance(answer, MLSTACError)]
            lacking = sum(isinstance(error, MissingSampleError) for error in errors)
            if errors and (not skip or lacking == WINDOW):
                raise errors[0]
            faults += map(str, errors)
            found = (None if isinstance(answer, MLSTACError) else answer for answer in answers)
            yield list(zip(window, found, strict=True))
            bar.update(len(window))
