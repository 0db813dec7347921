"""What a feed should give: samples of a split in the order of a plan, one by one."""

import numpy as np

from mlstac_hf._order import Order, Plan, Shuffling


def ids_of(made):
    """Each sample of the train split by the bytes of its input."""
    return {one.shown["input"].tobytes(): index for index, one in enumerate(made.splits["train"])}


def seen(batches, made):
    """Indices of the samples in each batch."""
    known = ids_of(made)
    return [[known[np.asarray(image).tobytes()] for image in batch["input"]] for batch in batches]


def expected(count, epoch, batch_size, position=0, kind="full", **plan):
    """Indices of the samples in each batch, by the order alone."""
    plan = Plan(count=count, position=position, batch_size=batch_size, **plan)
    order = Order(count, Shuffling(kind), 5, epoch)
    return [order.at(plan.batch(step)).tolist() for step in range(len(plan))]
