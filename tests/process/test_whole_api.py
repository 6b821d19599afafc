import asyncio
from collections.abc import Callable

import pytest

import ipcluster_ext as ipp
from tests.process import whole_api
from tests.support.clusters import Started

USES = [
    whole_api.use_clients,
    whole_api.use_direct_views,
    whole_api.use_balanced_views,
    whole_api.use_answers,
    whole_api.use_functions,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_typed_program_runs(use: Callable[[ipp.Client], None], started: Started) -> None:
    use(started.client)


def test_a_typed_program_with_a_loop_runs(started: Started) -> None:
    asyncio.run(whole_api.use_loops(started.client))
