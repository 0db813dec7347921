"""In which order samples come, who gets which, and how to go on from there."""

from mlstac_hf._order._course import Course, Epoch
from mlstac_hf._order._orders import Order, Shuffle, Shuffling, shuffling_of
from mlstac_hf._order._permutation import Permutation
from mlstac_hf._order._plan import Plan, Uneven, check_number, share
from mlstac_hf._order._state import Identity, State

__all__ = [
    "Course",
    "Epoch",
    "Identity",
    "Order",
    "Permutation",
    "Plan",
    "Shuffle",
    "Shuffling",
    "State",
    "Uneven",
    "check_number",
    "share",
    "shuffling_of",
]
