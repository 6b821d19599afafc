"""A relay sends what a front end says one after the other, and of a state the latest."""

from typing import Any

from ipcluster_ext.client.comms import Relay
from ipcluster_ext.protocol.ids import EngineId

Message = dict[str, Any]


class Sent:
    """What was sent to the engine; `client.comms.Relays` as a relay sees it."""

    def __init__(self) -> None:
        self.data: list[Message] = []
        self.forgotten: list[Relay] = []

    def send(self, _relay: Relay, message: Message) -> None:
        self.data.append(message["content"]["data"])

    def forget(self, relay: Relay) -> None:
        self.forgotten.append(relay)


def relay_of(sent: Sent) -> Relay:
    return Relay(sent, EngineId(0), 1, "id", "jupyter.widget")  # type: ignore[arg-type]


def update(**state: object) -> Message:
    return {"content": {"comm_id": "id", "data": {"method": "update", "state": state}}}


CLICK: Message = {"content": {"comm_id": "id", "data": {"method": "custom"}}}


def test_the_next_event_is_sent_when_the_one_before_has_ended() -> None:
    sent = Sent()
    relay = relay_of(sent)
    relay.handle_msg(CLICK)
    relay.handle_msg(CLICK)
    assert len(sent.data) == 1
    relay.go_on(ended=True)
    assert len(sent.data) == 2


def test_changes_that_wait_become_one() -> None:
    sent = Sent()
    relay = relay_of(sent)
    for value in range(5):
        relay.handle_msg(update(value=value))
    relay.handle_msg(update(text="x"))
    relay.go_on(ended=True)
    relay.go_on(ended=True)
    assert [data["state"] for data in sent.data] == [{"value": 0}, {"value": 4, "text": "x"}]


def test_what_came_between_two_changes_stays_between_them() -> None:
    sent = Sent()
    relay = relay_of(sent)
    for message in (CLICK, update(value=1), CLICK, update(value=2)):
        relay.handle_msg(message)
    for _ in range(4):
        relay.go_on(ended=True)
    assert [data["method"] for data in sent.data] == ["custom", "update", "custom", "update"]


def test_a_comm_that_the_front_end_closes_is_forgotten() -> None:
    sent = Sent()
    relay = relay_of(sent)
    relay.handle_close({"content": {"comm_id": "id", "data": {}}})
    assert sent.forgotten == [relay]
    assert sent.data == [{}]
