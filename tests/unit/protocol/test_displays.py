from typing import Any

from ipcluster_ext.protocol.displays import Displays, cleared, displayed


def shown(*events: dict[str, Any]) -> list[Any]:
    displays = Displays()
    for event in events:
        displays.take(event)
    return [output["data"]["text/plain"] for output in displays.outputs]


def text(text: str, **options: Any) -> dict[str, Any]:
    return displayed({"text/plain": text}, **options)


def test_things_are_shown_in_order() -> None:
    assert shown(text("a"), text("b")) == ["a", "b"]


def test_an_update_changes_every_display_of_that_id() -> None:
    updates = [text("new", display_id="1", update=True)]
    made = [text("old", display_id="1"), text("other", display_id="2"), text("old", display_id="1")]

    assert shown(*made, *updates) == ["new", "other", "new"]


def test_an_update_of_what_is_not_there_changes_nothing() -> None:
    assert shown(text("a"), text("new", display_id="1", update=True)) == ["a"]


def test_clearing_drops_what_was_before_at_once_or_when_something_follows() -> None:
    assert shown(text("a"), cleared(wait=False)) == []
    assert shown(text("a"), cleared(wait=True)) == ["a"]
    assert shown(text("a"), cleared(wait=True), text("b"), text("c")) == ["b", "c"]


def test_what_has_no_id_has_no_field_for_it() -> None:
    assert text("a") == {"data": {"text/plain": "a"}, "metadata": {}}
