"""Queries in MongoDB's style, as JSON, made into tests on values.

A query is an object: each key names a fact, and its value is either what the fact has to equal or
an object of operators, all of which have to hold. A record is found if every key holds.

========== =======================================================================
operator   holds if the fact
========== =======================================================================
$eq $ne    equals the operand, or not
$lt $lte   is smaller, or at most as large; facts of another type are neither
$gt $gte   is larger, or at least as large
$in $nin   is among the operands, or not
$all       equals every operand
$mod       leaves the remainder ``b`` when divided by ``a``, for the operand ``[a, b]``
$glob      is a text that matches the pattern, with ``*``, ``?`` and ``[]``
$exists    is known, or not
========== =======================================================================

What is not known is ``null``: ``{"completed": null}`` finds what has not been completed.
"""

import operator
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import msgspec

from ipcluster_ext.errors import IpclusterError

T = TypeVar("T")

Test = Callable[[object], bool]


class BadQuery(IpclusterError):
    """A query that cannot be understood."""


def read(query: bytes, keys: Collection[str]) -> list[tuple[str, Test]]:
    """Read a query.

    Parameters
    ----------
    query
        The query, as JSON.
    keys
        The facts that there are.

    Returns
    -------
    The tests that have to hold, and the key that each is for.

    Raises
    ------
    BadQuery
        It is no query; the text names what is wrong with it.
    """
    try:
        decoded = msgspec.json.decode(query, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not a query: {error}"
        raise BadQuery(msg) from None
    return [(key, test) for key, wanted in decoded.items() for test in _tests(key, wanted, keys)]


def holds(tests: Iterable[tuple[Callable[[T], object], Test]], subject: T) -> bool:
    """Tell whether all tests hold, each on the fact that is read beside it."""
    return all(test(fact(subject)) for fact, test in tests)


def _tests(key: str, wanted: object, keys: Collection[str]) -> list[Test]:
    if key not in keys:
        msg = f"there is no key {key!r}; keys: {', '.join(sorted(keys))}"
        raise BadQuery(msg)
    if not isinstance(wanted, dict):
        return [_equals(wanted)]
    return [_test(key, name, operand) for name, operand in wanted.items()]


def _test(key: str, name: str, operand: Any) -> Test:  # noqa: ANN401 - whatever JSON has
    make = _OPERATORS.get(name)
    if make is None:
        msg = f"there is no operator {name!r}; operators: {', '.join(_OPERATORS)}"
        raise BadQuery(msg)
    try:
        return make(operand)
    except (TypeError, ValueError):
        msg = f"{key}: the operator {name} cannot have the operand {operand!r}"
        raise BadQuery(msg) from None


def _equals(operand: object) -> Test:
    return lambda value: value == operand


def _differs(operand: object) -> Test:
    return lambda value: value != operand


def _compares(compare: Callable[[Any, Any], bool]) -> Callable[[object], Test]:
    def make(operand: object) -> Test:
        kind = str if isinstance(operand, str) else (int, float)
        if not isinstance(operand, kind):
            raise TypeError
        return lambda value: isinstance(value, kind) and compare(value, operand)

    return make


def _among(operands: object) -> Test:
    wanted = _list(operands)
    try:
        known = frozenset(wanted)
    except TypeError:
        return lambda value: value in wanted
    return lambda value: value in known


def _not_among(operands: object) -> Test:
    among = _among(operands)
    return lambda value: not among(value)


def _equals_all(operands: object) -> Test:
    wanted = _list(operands)
    return lambda value: all(value == operand for operand in wanted)


def _leaves(operands: object) -> Test:
    divisor, remainder = map(operator.index, _list(operands))
    if not divisor:
        raise ValueError
    return lambda value: isinstance(value, int) and value % divisor == remainder


def _matches(pattern: object) -> Test:
    if not isinstance(pattern, str):
        raise TypeError
    return lambda value: isinstance(value, str) and fnmatchcase(value, pattern)


def _exists(wanted: object) -> Test:
    return lambda value: (value is not None) == bool(wanted)


def _list(operands: object) -> list[Any]:
    if not isinstance(operands, list):
        raise TypeError
    return operands


_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "$eq": _equals,
    "$ne": _differs,
    "$lt": _compares(operator.lt),
    "$lte": _compares(operator.le),
    "$gt": _compares(operator.gt),
    "$gte": _compares(operator.ge),
    "$in": _among,
    "$nin": _not_among,
    "$all": _equals_all,
    "$mod": _leaves,
    "$glob": _matches,
    "$exists": _exists,
}
