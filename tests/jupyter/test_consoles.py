from typing import Any

from tests.jupyter.conftest import Api
from tests.jupyter.kernels import run
from tests.jupyter.test_routes import ready


async def test_an_engine_is_a_kernel_of_the_server(api: Api, jp_serverapp: Any) -> None:
    kernels = jp_serverapp.kernel_manager
    await api.post("clusters", body={"n": 1, "id": "mine"})
    await api.until(ready(1), "clusters", "mine")
    (engine,) = await api.get("clusters", "mine", "engines")

    console = await api.post("clusters", "mine", "engines", "0", "console", body={})
    again = await api.post("clusters", "mine", "engines", "0", "console", body={})
    said = await run(kernels, console["kernel"], "import os; print(os.getpid())")

    assert console == again == {"kernel": console["kernel"], "name": "engine 0 of mine"}
    assert int(said) == engine["pid"]

    await api.post("clusters", "mine", "engines", "0", body={"action": "restart"})
    (reborn,) = await api.until(
        lambda found: found[0]["state"] == "idle" and found[0]["pid"] != engine["pid"],
        "clusters", "mine", "engines",
    )  # fmt: skip
    other = await api.post("clusters", "mine", "engines", "0", "console", body={})
    said = await run(kernels, other["kernel"], "import os; print(os.getpid())")

    assert other["kernel"] != console["kernel"]
    assert console["kernel"] not in kernels
    assert int(said) == reborn["pid"]
    await api.delete("clusters", "mine")
    assert other["kernel"] not in kernels
