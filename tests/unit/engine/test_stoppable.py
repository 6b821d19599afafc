import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ipcluster_ext.engine.stoppable import Stoppable


class Stop(BaseException):
    """What is thrown."""


def run(user: Callable[[], Any], *, stop_after: float | None = None) -> tuple[Any, Stoppable]:
    """Run a coroutine inside a task, and stop it after a while; 0 for before it begins."""
    stoppable = Stoppable()

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        if stop_after == 0:
            stoppable.stop(Stop())
        elif stop_after is not None:
            loop.call_later(stop_after, stoppable.stop, Stop())
        return await loop.create_task(outer())

    async def outer() -> Any:
        running: Awaitable[Any] = stoppable.run(user())
        return await running

    return asyncio.run(main()), stoppable


async def wait() -> None:
    await asyncio.sleep(60)


def test_a_coroutine_that_is_left_alone_returns() -> None:
    async def user() -> int:
        await asyncio.sleep(0.001)
        return 7

    assert run(user)[0] == 7


def test_what_it_raises_is_raised() -> None:
    async def user() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(user)


@pytest.mark.parametrize("stop_after", [0, 0.001])
def test_one_that_is_stopped_raises_that(stop_after: float) -> None:
    with pytest.raises(Stop):
        run(wait, stop_after=stop_after)


def test_it_may_catch_that_and_go_on() -> None:
    async def user() -> str:
        try:
            await wait()
        except Stop:
            await asyncio.sleep(0)
            return "cleaned up"
        return "not stopped"

    assert run(user, stop_after=0.001)[0] == "cleaned up"


def test_it_is_not_cancelled_afterwards() -> None:
    async def user() -> int:
        try:
            await wait()
        except Stop:
            task = asyncio.current_task()
            assert task is not None
            return task.cancelling()
        return -1

    assert run(user, stop_after=0.001)[0] == 0


def test_a_cancellation_of_its_own_stays_one() -> None:
    async def user() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(user)


def test_a_timeout_of_its_own_is_its_own() -> None:
    async def user() -> str:
        try:
            async with asyncio.timeout(0.001):
                await wait()
        except TimeoutError:
            return "own"
        return "none"

    assert run(user)[0] == "own"


def test_who_has_ended_is_stopped_no_more() -> None:
    async def user() -> int:
        return 7

    value, stoppable = run(user)
    stoppable.stop(Stop())

    assert value == 7
