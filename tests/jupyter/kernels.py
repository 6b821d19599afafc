"""Kernels of a server, as its browsers use them."""

from typing import Any


async def run(kernels: Any, kernel: str, code: str) -> str:
    """Run a cell in a kernel of the server; return what it says as text."""
    client = kernels.get_kernel(kernel).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=30)
        said: list[str] = []
        await client.execute_interactive(
            code, timeout=30, output_hook=lambda msg: said.append(msg["content"].get("text", ""))
        )
        return "".join(said)
    finally:
        client.stop_channels()
