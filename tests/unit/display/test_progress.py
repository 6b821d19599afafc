import pytest

from ipcluster_ext.display import live
from ipcluster_ext.display.counted import Counted, CountedBar
from ipcluster_ext.display.frontend import Experience
from ipcluster_ext.display.looks import Share, Step
from ipcluster_ext.display.meter import Meter
from ipcluster_ext.display.progress import Progress
from ipcluster_ext.display.pulse import Pulse
from ipcluster_ext.display.renewed import Renewed
from tests.support.looks import Later, Page, ScriptedWork, at_once
from tests.support.waiting import wait_until

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
SAFE = "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse() -> Pulse:
    return Pulse(every=0.001)


@pytest.fixture(autouse=True)
def experience(monkeypatch: pytest.MonkeyPatch) -> Experience:
    new = Experience()
    monkeypatch.setattr(live, "EXPERIENCE", new)
    return new


class TestALine:
    def test_says_how_far_how_fast_and_how_long(self, clock: Clock) -> None:
        work = ScriptedWork(label="fit", elapsed=0.0)
        meter = Meter(work, clock)
        clock.now += 3
        work.be(done=37, failed=2, elapsed=3.0)
        meter.read()

        assert meter.plain() == ("<AsyncMapResult fit: 37 of 100 done, 2 failed, 12.3/s, 5 s left>")

    def test_says_how_long_it_took_in_the_end(self, clock: Clock) -> None:
        meter = Meter(ScriptedWork(done=100, cancelled=3, over=True, elapsed=80.0), clock)

        assert meter.plain() == "<AsyncMapResult: 100 of 100 done, 3 cancelled, in 1 min 20 s>"

    def test_knows_the_rate_of_what_went_on_before_anybody_looked(self, clock: Clock) -> None:
        meter = Meter(ScriptedWork(done=50, elapsed=10.0), clock)

        assert (meter.rate, meter.left) == (5.0, 10.0)

    def test_keeps_to_one_line_whatever_the_label(self, clock: Clock) -> None:
        meter = Meter(ScriptedWork(label="a\nb " + "c" * 200, elapsed=0.0), clock)

        assert "\n" not in meter.plain()
        assert len(meter.plain()) < 120


class TestHtml:
    def test_has_nothing_of_anybody_elses_in_it(self, clock: Clock) -> None:
        work = ScriptedWork(label=HOSTILE, doing=HOSTILE, trouble=HOSTILE)

        html = Meter(work, clock).html()

        assert "<img" not in html
        assert html.count(SAFE) == 4  # the label stands beside the bar, and is what it is called

    def test_of_engines_has_neither(self, clock: Clock, pulse: Pulse) -> None:
        work = ScriptedWork()
        work.rows = [Share(engine=0, running=1, step=Step(1, 2, HOSTILE), line=HOSTILE)]
        shown = Progress(work, Page(), clock=clock, pulse=pulse)

        shown.toggle.value = True

        assert "<img" not in shown.table.value
        assert shown.table.value.count(SAFE) == 2

    def test_tells_a_screen_reader_how_far_it_is(self, clock: Clock) -> None:
        html = Meter(ScriptedWork(label="fit", done=37), clock).html()

        assert 'role="progressbar"' in html
        assert 'aria-valuenow="37"' in html
        assert 'aria-label="fit"' in html

    def test_draws_no_share_where_the_total_is_unknown(self, clock: Clock) -> None:
        html = Meter(ScriptedWork(done=37, total=None), clock).html()

        assert "aria-valuenow" not in html
        assert "37 done" in html


class TestTheWidget:
    def test_follows_the_work(self, clock: Clock, pulse: Pulse) -> None:
        work = ScriptedWork()
        shown = Progress(work, Page(), clock=clock, pulse=pulse)
        work.be(done=37)

        assert shown.refresh()
        assert "37 of 100 done" in shown.line.value

    def test_rests_once_the_work_is_over(self, clock: Clock, pulse: Pulse) -> None:
        work = ScriptedWork()
        shown = Progress(work, Page(), clock=clock, pulse=pulse)
        work.be(done=100, over=True)

        assert not shown.refresh()
        assert shown.button.layout.display == "none"

    def test_has_its_text_and_html_beside_it(self, clock: Clock, pulse: Pulse) -> None:
        shown = Progress(ScriptedWork(done=1, over=True), Page(), clock=clock, pulse=pulse)

        forms = shown.bundle()

        assert forms["text/plain"] == shown.plain()
        assert "1 of 100 done" in forms["text/html"]
        view = forms["application/vnd.jupyter.widget-view+json"]
        assert view["model_id"] == shown.root.model_id

    def test_asks_for_engines_only_while_they_are_shown(self, clock: Clock, pulse: Pulse) -> None:
        work = ScriptedWork()
        work.rows = [Share(engine=3, done=4, failed=1)]
        shown = Progress(work, Page(), clock=clock, pulse=pulse)
        shown.refresh()
        assert work.asked == []

        shown.toggle.value = True

        assert shown.toggle.description == "▾ Engines"
        assert shown.table.layout.display == ""
        assert ">3</td>" in shown.table.value
        shown.toggle.value = False
        assert (shown.table.layout.display, shown.toggle.description) == ("none", "▸ Engines")

    def test_is_not_drawn_while_nobody_looks(self, clock: Clock) -> None:
        pulse = Pulse(every=60)
        shown = Progress(ScriptedWork(), Page(), clock=clock, pulse=pulse)
        shown.bundle()

        shown.root.set_state({"_view_count": 1})
        shown.root.set_state({"_view_count": 0})

        assert shown.refresh not in pulse
        shown.root.set_state({"_view_count": 1})
        assert shown.refresh in pulse
        pulse.remove(shown.refresh)

    def test_tells_that_a_front_end_draws_it(
        self, clock: Clock, pulse: Pulse, experience: Experience
    ) -> None:
        shown = Progress(ScriptedWork(over=True), Page(), clock=clock, pulse=pulse)
        shown.bundle()

        shown.root.set_state({"_view_count": 1})

        assert experience.drawn is True

    def test_tells_that_a_front_end_does_not(
        self, clock: Clock, pulse: Pulse, experience: Experience
    ) -> None:
        shown = Progress(ScriptedWork(over=True), Page(), clock=clock, pulse=pulse)
        shown.bundle()

        shown.root.comm.handle_close({})

        assert experience.refused


class TestTheButton:
    def test_cancels_first_and_interrupts_then(self, clock: Clock, pulse: Pulse) -> None:
        work = ScriptedWork()
        shown = Progress(work, Page(), clock=clock, pulse=pulse, spawn=at_once)
        assert shown.button.description == "Cancel"

        shown.button.click()

        assert work.asked == ["cancel"]
        assert "cancelled 7 items that had not begun; 2 tasks go on" in shown.said.value
        assert (shown.button.description, shown.button.button_style) == ("Interrupt", "danger")
        shown.button.click()
        assert work.asked == ["cancel", "interrupt"]
        assert "interrupted 2 tasks" in shown.said.value

    def test_can_not_be_pressed_while_that_goes_on(self, clock: Clock, pulse: Pulse) -> None:
        work, later = ScriptedWork(), Later()
        shown = Progress(work, Page(), clock=clock, pulse=pulse, spawn=later)

        shown.button.click()
        shown.button.click()

        assert shown.button.disabled
        assert "cancelling …" in shown.said.value
        later.run()
        assert work.asked == ["cancel"]
        assert not shown.button.disabled

    def test_says_why_it_could_not(
        self, clock: Clock, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> str:
            raise OSError(HOSTILE)

        work = ScriptedWork()
        monkeypatch.setattr(work, "cancel", fail)
        shown = Progress(work, Page(), clock=clock, pulse=pulse, spawn=at_once)

        shown.button.click()

        assert f"OSError: {SAFE}" in shown.said.value
        assert shown.button.description == "Cancel"

    def test_is_not_there_for_what_only_counts(self, clock: Clock, pulse: Pulse) -> None:
        counted = Counted(4, "engines", verb="ready", clock=clock)
        shown = Progress(counted, Page(), controls=False, clock=clock, pulse=pulse)

        with CountedBar(counted, shown) as bar:
            bar.show(3, 4, "")
            shown.refresh()

        (row,) = shown.root.children
        assert len(row.children) == 1
        assert "3 of 4 ready" in shown.line.value


class TestShowing:
    def test_leaves_the_last_state_beside_the_widget(self, clock: Clock) -> None:
        page, work = Page(), ScriptedWork(label="fit")
        with Progress(work, page, clock=clock, pulse=Pulse(every=60)):
            assert page.texts == ["<AsyncMapResult fit: 0 of 100 done>"]
            work.be(done=100, over=True)

        assert page.texts == ["<AsyncMapResult fit: 100 of 100 done, in 0.0 s>"]
        assert [list(forms) for forms in page.shown.values()] == [["text/plain", "text/html"]]

    def test_leaves_what_each_engine_had_and_what_was_done_about_it(self, clock: Clock) -> None:
        page, work = Page(), ScriptedWork(label="fit")
        work.rows = [Share(engine=3, done=4, failed=1)]
        shown = Progress(work, page, clock=clock, pulse=Pulse(every=0.001), spawn=at_once)
        with shown:
            shown.root.set_state({"_view_count": 1})
            shown.button.click()
            work.be(done=100, over=True)

        (html,) = (forms["text/html"] for forms in page.shown.values())
        assert "cancelled 7 items" in html
        assert "<details><summary" in html
        assert ">3</span>" in html or ">3</td>" in html
        assert shown.root.comm is not None
        shown.root.set_state({"_view_count": 0})
        wait_until(lambda: shown.root.comm is None)

    def test_without_widgets_is_text_that_is_renewed_now_and_then(self, clock: Clock) -> None:
        page, work = Page(), ScriptedWork(label="fit")
        with Renewed(work, page, clock=clock, pulse=Pulse(every=60)) as shown:
            work.be(done=10, elapsed=1.0)
            shown.beat()
            assert page.texts == ["<AsyncMapResult fit: 0 of 100 done>"]
            clock.now += 1
            assert shown.beat()
            assert page.texts == ["<AsyncMapResult fit: 10 of 100 done, 10.0/s, 9 s left>"]
            work.be(done=100, over=True, elapsed=1.5)

        assert page.texts == ["<AsyncMapResult fit: 100 of 100 done, in 1.5 s>"]
        assert page.changes == 3
