"""Queries: what each operator finds, and what is said of those that are none."""

import json
from typing import Any

import pytest

from ipcluster_ext.core.queries import BadQuery, holds, read

KEYS = ("label", "started", "engine_id", "status")


def found(query: dict[str, Any], *facts: dict[str, Any]) -> list[int]:
    """Return the places of the facts that a query finds."""
    tests = [
        ((lambda fact, key=key: fact.get(key)), test)
        for key, test in read(json.dumps(query).encode(), KEYS)
    ]
    return [place for place, fact in enumerate(facts) if holds(tests, fact)]


NUMBERS: list[dict[str, Any]] = [
    {"started": None},
    {"started": 1.0},
    {"started": 2.0},
    {"started": 3.0},
]
TEXTS: list[dict[str, Any]] = [
    {"label": ""},
    {"label": "fit"},
    {"label": "fit-2"},
    {"label": "predict"},
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (2.0, [2]),
        (2, [2]),
        (None, [0]),
        ({"$eq": 2}, [2]),
        ({"$ne": 2}, [0, 1, 3]),
        ({"$ne": None}, [1, 2, 3]),
        ({"$lt": 2}, [1]),
        ({"$lte": 2}, [1, 2]),
        ({"$gt": 2}, [3]),
        ({"$gte": 2}, [2, 3]),
        ({"$gte": 1, "$lt": 3}, [1, 2]),
        ({"$gt": "a"}, []),
        ({"$in": [1, 3, "x"]}, [1, 3]),
        ({"$in": []}, []),
        ({"$in": [None, [1]]}, [0]),
        ({"$nin": [1, 3]}, [0, 2]),
        ({"$all": [2, 2]}, [2]),
        ({"$all": [2, 3]}, []),
        ({"$exists": True}, [1, 2, 3]),
        ({"$exists": False}, [0]),
        ({}, [0, 1, 2, 3]),
    ],
)
def test_numbers_are_found(wanted: object, expected: list[int]) -> None:
    assert found({"started": wanted}, *NUMBERS) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("fit", [1]),
        ({"$glob": "fit*"}, [1, 2]),
        ({"$glob": "FIT*"}, []),
        ({"$glob": "fit-[0-9]"}, [2]),
        ({"$gt": "fit"}, [2, 3]),
        ({"$gt": 1}, []),
    ],
)
def test_texts_are_found(wanted: object, expected: list[int]) -> None:
    assert found({"label": wanted}, *TEXTS) == expected


def test_remainders_are_found() -> None:
    engines = [{"engine_id": engine} for engine in (0, 1, 2, 3, None)]

    assert found({"engine_id": {"$mod": [2, 1]}}, *engines) == [1, 3]


def test_every_key_has_to_hold() -> None:
    facts = [
        {"label": "fit", "status": "done"},
        {"label": "fit", "status": "failed"},
        {"label": "predict", "status": "failed"},
    ]

    assert found({"label": "fit", "status": "failed"}, *facts) == [1]


def test_a_query_without_keys_finds_everything() -> None:
    assert found({}, *NUMBERS) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"", "not a query"),
        (b"[1]", "not a query"),
        (b"{" * 100_000, "not a query"),
        (b'{"lable": "fit"}', "no key 'lable'; keys: engine_id, label, started, status"),
        (b'{"label": {"$near": 1}}', "no operator '\\$near'; operators: \\$eq, \\$ne"),
        (b'{"label": {"x": 1}}', "no operator 'x'"),
        (b'{"label": {"$in": 3}}', "label: the operator \\$in cannot have the operand 3"),
        (b'{"label": {"$glob": 3}}', "\\$glob cannot have the operand 3"),
        (b'{"started": {"$lt": null}}', "\\$lt cannot have the operand None"),
        (b'{"engine_id": {"$mod": [0, 1]}}', "\\$mod cannot have the operand"),
        (b'{"engine_id": {"$mod": [2]}}', "\\$mod cannot have the operand"),
    ],
)
def test_what_is_no_query_is_named(query: bytes, said: str) -> None:
    with pytest.raises(BadQuery, match=said):
        read(query, KEYS)
