"""Blobs go back to whoever made them, as long as that process is there."""

from ipcluster_ext.protocol.ids import EngineId, client_owner, engine_owner
from ipcluster_ext.protocol.messages import FreeBlobs, SweepBlobs
from ipcluster_ext.protocol.parts import Blob
from tests.support.scripted import Stage


def test_a_clients_blob_goes_back_to_the_client_and_not_to_the_agent(stage: Stage) -> None:
    agent = stage.agent(1)
    engine = agent.start(EngineId(0))
    client = stage.client()
    name = f"{client_owner(client.number)}-1"
    client.submit(1, buffers=(Blob(name, 5_000_000),))

    engine.finish()

    assert (client.of(FreeBlobs), agent.of(FreeBlobs)) == ([FreeBlobs([name])], [])


def test_an_engine_that_dies_has_its_blobs_swept_but_for_those_still_needed(stage: Stage) -> None:
    agent = stage.agent(1)
    engine = agent.start(EngineId(0))
    client = stage.client()
    owner = engine_owner(EngineId(0), engine.boot)
    client.submit(1)
    engine.finish(buffers=(Blob(f"{owner}-1", 5_000_000),))

    engine.die()

    assert agent.of(SweepBlobs) == [SweepBlobs(owner, [f"{owner}-1"])]
