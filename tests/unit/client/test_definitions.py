"""Functions that were sent are kept while they are used, and not for ever."""

from ipcluster_ext.client.definitions import Definitions
from ipcluster_ext.protocol.functions import PackedFunction


def function(number: int, nbytes: int = 100) -> PackedFunction:
    return PackedFunction(b"%d" % number, b"x" * nbytes)


def test_a_function_is_sent_once() -> None:
    definitions = Definitions()

    assert definitions.add(function(1))
    assert not definitions.add(function(1))
    assert definitions.get(b"1") == b"x" * 100


def test_what_was_never_sent_is_not_kept() -> None:
    assert Definitions().get(b"1") is None


def test_functions_that_are_not_used_any_more_leave() -> None:
    definitions = Definitions(most_nbytes=1000)

    for number in range(1000):
        assert definitions.add(function(number))

    kept = [number for number in range(1000) if definitions.get(b"%d" % number)]
    assert kept == list(range(1000 - len(kept), 1000))
    assert 10 <= len(kept) <= 30


def test_a_function_that_is_used_stays_whatever_else_is_sent() -> None:
    definitions = Definitions(most_nbytes=1000)
    definitions.add(function(-1))

    sent = [definitions.add(function(-1)) for n in range(1000) if definitions.add(function(n))]

    assert not any(sent)
    assert definitions.get(b"-1") is not None


def test_a_function_that_has_left_is_sent_again() -> None:
    definitions = Definitions(most_nbytes=1000)
    for number in range(100):
        definitions.add(function(number))

    assert definitions.add(function(0))
