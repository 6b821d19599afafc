import pytest

from ipcluster_ext.display import live
from ipcluster_ext.display.card import Card
from ipcluster_ext.display.frontend import Experience
from ipcluster_ext.display.looks import EngineLook
from ipcluster_ext.display.pulse import Pulse
from tests.support.looks import Later, ScriptedCluster, at_once

HOSTILE = "</td><script>alert(1)</script>\"'&"
SAFE = "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;"
EVERYTHING = frozenset({"scale", "interrupt", "restart", "stop"})


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EXPERIENCE", Experience())


def carded(cluster: ScriptedCluster) -> Card:
    return Card(cluster, pulse=Pulse(every=0.001), spawn=at_once)


def shown(card: Card) -> set[str]:
    """Return the buttons that can be seen, but for those of a question."""
    buttons = {name: button for name, button in card.buttons.items() if " it" not in name}
    found = {name for name, button in buttons.items() if button.layout.display != "none"}
    return found - ({"scale"} if card.scaling.layout.display == "none" else set())


class TestWhatItSays:
    def test_is_how_many_engines_are_ready_and_how_much_there_is_to_do(self) -> None:
        card = carded(ScriptedCluster("ready", "starting", "ready", queued=12, done=3400, failed=2))

        assert card.plain() == ("<cluster fit: running, 2 of 3 engines ready, 12 queued, 2 failed>")
        assert "<b>2 of 3</b> engines ready" in card.line.value
        assert "<b>3,400</b> done" in card.line.value
        assert "2 failed" in card.line.value

    def test_is_why_a_cluster_does_not_run(self) -> None:
        card = carded(ScriptedCluster(state="stopped", trouble="its agent was killed"))

        assert card.plain() == "<cluster fit: stopped: its agent was killed>"

    def test_is_what_each_engine_does_once_that_is_wanted(self) -> None:
        card = carded(ScriptedCluster())
        engine = EngineLook(
            engine=3, state="ready", busy=True, task="fit", busy_for=80.0, queued=2, done=7,
            failed=1, cpu=0.97, memory=3 * 2**28,
        )  # fmt: skip
        card._cluster.be(engines=(engine,))  # type: ignore[attr-defined] # noqa: SLF001 - the script
        card.refresh()
        assert card.table.value == ""

        card.toggle.value = True

        for words in (">3<", "ready", "fit", "1 min 20 s", ">2<", ">7<", ">1<", "97 %", "768 MiB"):
            assert words in card.table.value

    def test_is_of_many_engines_only_a_part(self) -> None:
        card = carded(ScriptedCluster(*["ready"] * 1000))

        card.toggle.value = True

        assert card.table.value.count("<tr>") == 1 + 64 + 1
        assert "and 936 more" in card.table.value

    def test_has_nothing_of_anybody_elses_in_it(self) -> None:
        engines = (
            EngineLook(engine=0, state=HOSTILE, host=HOSTILE, task=HOSTILE, busy=True),
            EngineLook(engine=1, state="ready", host="here"),
        )
        card = carded(ScriptedCluster(title=HOSTILE, trouble=HOSTILE, engines=engines))
        card.toggle.value = True
        card.buttons["stop"].click()

        for html in (card.line.value, card.table.value, card.html(), card.question.value):
            assert "<script" not in html
            assert SAFE in html


class TestWhatCanBeDone:
    def test_depends_on_whether_it_runs(self) -> None:
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        card = carded(cluster)
        assert shown(card) == EVERYTHING

        cluster.be(state="stopped", controls=frozenset({"start"}), engines=())
        card.refresh()

        assert shown(card) == {"start"}
        assert card.toggle.layout.display == "none"

    def test_is_done_when_a_button_is_pressed(self) -> None:
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        card = carded(cluster)

        for name in ("interrupt", "restart", "start"):
            card.buttons[name].click()

        assert cluster.asked == ["interrupt", "restart", "start"]
        assert "did start" in card.said.value

    def test_is_to_have_so_many_engines(self) -> None:
        cluster = ScriptedCluster("ready", "ready", controls=EVERYTHING)
        card = carded(cluster)
        assert (card.count.value, card.buttons["scale"].button_style) == (2, "")

        card.count.value = 4

        assert card.buttons["scale"].button_style == "primary"
        card.buttons["scale"].click()
        assert cluster.asked == ["scale 4"]

    def test_follows_what_others_do_unless_somebody_is_about_to_change_it(self) -> None:
        cluster = ScriptedCluster("ready", "ready", controls=EVERYTHING)
        card = carded(cluster)
        cluster.be(wanted=3)
        card.refresh()
        assert card.count.value == 3

        card.count.value = 8
        cluster.be(wanted=5)
        card.refresh()

        assert card.count.value == 8

    def test_is_told_if_it_could_not_be_done(self) -> None:
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        cluster.refuses = True
        card = carded(cluster)

        card.buttons["restart"].click()

        assert "ClientError: the hub would not restart" in card.said.value
        assert not card.buttons["restart"].disabled

    def test_is_one_thing_at_a_time(self) -> None:
        cluster, later = ScriptedCluster("ready", controls=EVERYTHING), Later()
        card = Card(cluster, pulse=Pulse(every=0.001), spawn=later)

        card.buttons["restart"].click()
        card.buttons["interrupt"].click()

        assert all(button.disabled for button in card.buttons.values())
        later.run()
        assert cluster.asked == ["restart"]
        assert not any(button.disabled for button in card.buttons.values())


class TestWhatWasDone:
    def test_is_said_for_a_while(self) -> None:
        now = [100.0]
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        card = Card(cluster, clock=lambda: now[0], pulse=Pulse(every=0.001), spawn=at_once)

        card.buttons["restart"].click()
        card.refresh()
        assert "did restart" in card.said.value
        now[0] += 60
        card.refresh()

        assert card.said.value == ""

    def test_is_said_until_the_end_if_it_went_wrong(self) -> None:
        now = [100.0]
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        cluster.refuses = True
        card = Card(cluster, clock=lambda: now[0], pulse=Pulse(every=0.001), spawn=at_once)

        card.buttons["restart"].click()
        now[0] += 60
        card.refresh()

        assert "would not restart" in card.said.value


class TestStopping:
    def test_asks_first(self) -> None:
        cluster = ScriptedCluster("ready", "ready", controls=EVERYTHING)
        card = carded(cluster)

        card.buttons["stop"].click()

        assert cluster.asked == []
        assert card.asking.layout.display == ""
        assert "Stop cluster fit and its 2 engines?" in card.question.value
        card.buttons["stop it"].click()
        assert cluster.asked == ["stop"]
        assert card.asking.layout.display == "none"

    def test_can_be_thought_better_of(self) -> None:
        cluster = ScriptedCluster("ready", controls=EVERYTHING)
        card = carded(cluster)

        card.buttons["stop"].click()
        card.buttons["keep it"].click()

        assert cluster.asked == []
        assert card.asking.layout.display == "none"


class TestLooking:
    def test_begins_when_it_is_shown_and_ends_when_nobody_looks(self) -> None:
        cluster = ScriptedCluster("ready", lasting=True)
        card = carded(cluster)
        assert cluster.asked == []

        card.bundle()
        card.root.set_state({"_view_count": 1})
        card.root.set_state({"_view_count": 0})

        assert cluster.asked == ["open", "open", "close"]

    def test_ends_once_nothing_can_change(self) -> None:
        pulse = Pulse(every=0.001)
        cluster = ScriptedCluster("ready", lasting=True)
        card = Card(cluster, pulse=pulse, spawn=at_once)

        card.bundle()

        assert card.refresh not in pulse
