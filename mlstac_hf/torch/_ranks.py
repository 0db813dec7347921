"""Which of how many processes this is.

Owns: ranks, as given or as torch.distributed has them, and workers of a loader. Leaves to others: what each gets
(`_order`).
"""

from __future__ import annotations

import torch.distributed
import torch.utils.data


def ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and number of ranks: as given, else as torch.distributed says where it runs, else 0 of 1.

    Raises:
        ValueError: one is given without the other.
    """
    if rank is not None and world_size is not None:
        return rank, world_size
    if rank is not None or world_size is not None:
        raise ValueError(f"give rank= and world_size= together, or neither, got rank={rank}, world_size={world_size}")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def workers() -> tuple[int, int]:
    """Which worker of a loader this process is, and of how many: 0 of 1 where there are none."""
    info = torch.utils.data.get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
