"""The error tree: leaves, builtins, process borders."""

import pickle

import pytest

import mlstac_hf
from mlstac_hf import _errors

LEAVES = {
    "CollectionNotFoundError": FileNotFoundError,
    "InvalidCollectionError": ValueError,
    "UnknownNameError": LookupError,
    "MissingSampleError": FileNotFoundError,
    "CorruptSampleError": ValueError,
    "SchemaMismatchError": ValueError,
    "LinkRefusedError": PermissionError,
    "StoreError": OSError,
    "MissingExtraError": ImportError,
    "UnsupportedDtypeError": TypeError,
}
ERRORS = [getattr(_errors, name) for name in _errors.__all__ if name != "CollectionWarning"]


def test_the_leaves_are_ten_at_most_and_each_is_the_builtin_it_resembles():
    leaves = {error.__name__: error for error in ERRORS if not error.__subclasses__()}
    assert set(leaves) == set(LEAVES)
    assert len(leaves) <= 10
    for name, builtin in LEAVES.items():
        assert issubclass(leaves[name], builtin)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_crosses_a_process_border_unharmed(error):
    again = pickle.loads(pickle.dumps(error("what, where, and what to do")))
    assert type(again) is error
    assert str(again) == "what, where, and what to do"
    assert issubclass(error, mlstac_hf.MLSTACError)


def test_every_error_is_public_and_drawn_in_the_tree():
    for name in _errors.__all__:
        assert getattr(mlstac_hf, name) is getattr(_errors, name)
        assert name in _errors.__doc__ or name == "CollectionWarning"


def test_the_warning_is_a_user_warning():
    assert issubclass(mlstac_hf.CollectionWarning, UserWarning)
