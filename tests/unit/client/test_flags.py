import asyncio
import threading
from typing import ClassVar

import pytest

from ipcluster_ext.client.flags import Flag, Flagged
from ipcluster_ext.client.options import Flags
from ipcluster_ext.errors import OptionError


class View(Flagged):
    flags: ClassVar[tuple[str, ...]] = ("block", "label", "priority")

    block = Flag[bool]("Whether it waits.")
    label = Flag[str]("What it is called.")
    priority = Flag[int]("How urgent it is.")


@pytest.fixture
def view() -> View:
    return View(Flags())


class TestAView:
    def test_has_its_flags_as_attributes(self, view: View) -> None:
        view.label = "fit"

        assert (view.label, view.now().label) == ("fit", "fit")
        assert View.label.__doc__ == "What it is called."

    def test_that_is_refused_one_flag_has_changed_none(self, view: View) -> None:
        with pytest.raises(TypeError, match="priority must be an integer"):
            view.set_flags(label="fit", priority="high")
        with pytest.raises(OptionError, match="View has no option 'lable'; did you mean 'label'"):
            view.set_flags(block=True, lable="fit")

        assert view.now() == Flags()

    def test_keeps_the_same_flags_while_nothing_changes(self, view: View) -> None:
        before = view.now()
        with view.temp_flags(label="fit"):
            within = (view.now(), view.now())

        assert within[0] is within[1]
        assert view.now() is before

    def test_is_no_context_manager_of_its_own(self, view: View) -> None:
        with pytest.raises(TypeError, match="a view itself holds nothing open"), view:
            pass

    def test_is_true_whatever_its_length(self, view: View) -> None:
        assert bool(view) is True


class TestOptions:
    def test_make_another_view_and_leave_the_first_alone(self, view: View) -> None:
        other = view.options(label="fit").options(priority=2)

        assert (other.label, other.priority) == ("fit", 2)
        assert view.now() == Flags()

    def test_hold_for_the_first_view_within_a_block(self, view: View) -> None:
        view.label = "before"
        with view.options(label="fit") as same:
            within = (view.label, same.label)

        assert within == ("fit", "fit")
        assert view.label == "before"

    def test_of_blocks_within_blocks_add_up(self, view: View) -> None:
        with view.options(label="outer", priority=1), view.options(label="inner"):
            assert (view.label, view.priority) == ("inner", 1)
            assert view.options(block=True).now() == Flags(label="inner", priority=1, block=True)

    def test_asked_of_options_hold_for_the_view_they_began_with(self, view: View) -> None:
        with view.options(label="fit").options(priority=2):
            assert (view.label, view.priority) == ("fit", 2)

    def test_may_be_used_for_several_blocks(self, view: View) -> None:
        options = view.options(label="fit")

        with options, options:
            assert view.label == "fit"
        assert view.label == ""
        with options:
            assert view.label == "fit"

    def test_that_do_not_exist_are_refused(self, view: View) -> None:
        with pytest.raises(OptionError, match="did you mean 'priority'"):
            view.options(prority=1)

    def test_end_with_their_block_whatever_it_raises(self, view: View) -> None:
        with pytest.raises(ZeroDivisionError), view.options(label="fit"):
            raise ZeroDivisionError

        assert view.label == ""


class TestWithinABlock:
    def test_an_assignment_holds_until_its_end(self, view: View) -> None:
        with view.temp_flags(label="fit"):
            view.label = "other"
            within = view.label

        assert (within, view.label) == ("other", "")

    def test_an_assignment_to_another_flag_holds_for_good(self, view: View) -> None:
        with view.temp_flags(label="fit"):
            view.priority = 3

        assert view.now() == Flags(priority=3)

    def test_other_threads_see_nothing_of_it(self, view: View) -> None:
        inside, seen = threading.Barrier(4), []

        def work(label: str) -> None:
            with view.options(label=label):
                inside.wait(10)
                seen.append((label, view.label))
                inside.wait(10)

        threads = [threading.Thread(target=work, args=(f"{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(seen) == [("0", "0"), ("1", "1"), ("2", "2"), ("3", "3")]
        assert view.label == ""

    def test_other_asynchronous_tasks_see_nothing_of_it(self, view: View) -> None:
        async def work(label: str) -> str:
            with view.options(label=label):
                await asyncio.sleep(0)
                return view.label

        async def both() -> list[str]:
            return list(await asyncio.gather(work("a"), work("b")))

        assert asyncio.run(both()) == ["a", "b"]
