"""Records as users see them, and queries as they write them."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ipcluster_ext.client.records import KEYS, as_dict, encode, metadata_from, query_of, record_of
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import Kind, TaskStatus

TASK = first_task(ClientId(0xABC), 7)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def record(**changes: Any) -> Record:
    facts: dict[str, Any] = {
        "id": TASK,
        "client": ClientId(0xABC),
        "session": "notebook.ipynb",
        "kind": Kind.MAP,
        "function": "fit_one",
        "label": "fit",
        "status": TaskStatus.FAILED,
        "engine": EngineId(2),
        "submitted": 1000.0,
        "started": 1001.0,
        "completed": 1002.5,
        "ended": 1003.0,
        "tries": 2,
        "ename": "ValueError",
        "evalue": "no",
        "nbytes": 10,
        "kept": True,
        "resubmitted": TaskId(TASK + 1),
    }
    return Record(**{**facts, **changes})


def test_a_record_tells_what_the_hub_knows() -> None:
    known = record_of(record())

    assert (known.msg_id, known.client_uuid, known.resubmitted) == (
        "00000abc-7",
        "00000abc",
        "00000abc-8",
    )
    assert (known.status, known.kind, known.engine_uuid) == ("failed", "map", "engine-2")
    assert known.completed == datetime.fromtimestamp(1002.5, UTC)
    assert repr(known) == "<task 00000abc-7 'fit', map, failed on engine 2: ValueError: no>"


def test_what_has_not_happened_has_no_time() -> None:
    nothing = {"started": 0.0, "completed": 0.0, "ended": 0.0, "ename": "", "label": ""}
    queued = record(status=TaskStatus.QUEUED, engine=None, resubmitted=TaskId(0), **nothing)
    waiting = record_of(queued)

    assert (waiting.started, waiting.completed, waiting.received) == (None, None, None)
    assert (waiting.engine_uuid, waiting.resubmitted) == (None, None)
    assert repr(waiting) == "<task 00000abc-7 'fit_one', map, queued>"


def test_a_task_that_an_engine_has_runs() -> None:
    assert record_of(record(status=TaskStatus.ASSIGNED)).status == "running"


def test_facts_can_be_had_by_name() -> None:
    known = record_of(record())

    assert as_dict(known, ["label", "tries"]) == {
        "msg_id": "00000abc-7",
        "label": "fit",
        "tries": 2,
    }
    assert set(as_dict(known, None)) == set(KEYS)
    with pytest.raises(KeyError, match="no key 'buffers'"):
        as_dict(known, ["buffers"])


def test_metadata_have_ipyparallels_words() -> None:
    facts = metadata_from(record())

    assert (facts.status, facts.state, facts.engine_id) == ("error", "failed", 2)


class TestQueries:
    def test_hold_times_as_seconds(self) -> None:
        moment = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)

        query = encode({"submitted": {"$gte": moment}, "engine_id": {"$in": {3}}})

        assert json.loads(query) == {"submitted": {"$gte": 60.0}, "engine_id": {"$in": [3]}}

    def test_take_days(self) -> None:
        day = date(2026, 5, 1)

        query = json.loads(encode({"submitted": {"$gte": day}}))

        midnight = datetime(2026, 5, 1).astimezone()
        assert query == {"submitted": {"$gte": midnight.timestamp()}}

    def test_of_facts_find_patterns_and_alternatives(self) -> None:
        facts = {"label": "fit*", "status": ("done", "lost"), "tries": {"$gt": 1}, "kind": "map"}

        assert query_of(facts, since=None, now=lambda: NOW) == {
            "label": {"$glob": "fit*"},
            "status": {"$in": ["done", "lost"]},
            "tries": {"$gt": 1},
            "kind": "map",
        }

    @pytest.mark.parametrize("since", [timedelta(hours=2), NOW - timedelta(hours=2)])
    def test_of_facts_can_begin_at_a_time(self, since: datetime | timedelta) -> None:
        query = query_of({}, since=since, now=lambda: NOW)

        assert query == {"submitted": {"$gte": NOW - timedelta(hours=2)}}
