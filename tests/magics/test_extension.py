"""When the magics are there, and when not."""

from tests.support.clusters import python
from tests.support.kernels import Notebook


def test_they_are_gone_after_unloading_and_back_after_loading_again(
    four_in_notebook: Notebook,
) -> None:
    four_in_notebook.ok("_ = rc.activate(0, '_first')\n%load_ext ipcluster_ext")
    four_in_notebook.ok("%unload_ext ipcluster_ext")

    for magic in ("%px 1", "%%px\n1", "%px_first 1", "%autopx", "%result"):
        assert "not found" in four_in_notebook.run(magic).text
    assert four_in_notebook.completions("%%px --nob") == []
    four_in_notebook.ok("%load_ext ipcluster_ext\n%px 1")


def test_the_first_client_brings_them(notebook: Notebook) -> None:
    notebook.ok("import ipcluster_ext as ipp")
    assert "not found" in notebook.run("%px 1").text

    notebook.ok("rc = ipp.Cluster(n=1).start_and_connect_sync()")

    assert notebook.ok("%px 1").error is None


def test_a_program_without_ipython_gets_views_and_no_ipython() -> None:
    done = python(
        """
        import sys
        import ipcluster_ext as ipp
        with ipp.Cluster(n=1) as rc:
            print(rc.activate().apply(abs, -1), rc[0].activate("_one") is not None)
        print("IPython" in sys.modules)
        """
    )

    assert done.communicate(timeout=60)[0] == "[1] True\nFalse\n"


def test_a_cluster_that_was_started_to_be_active_is_the_one_they_address(
    notebook: Notebook,
) -> None:
    notebook.ok("import ipcluster_ext as ipp\none = ipp.Cluster(n=1).start_and_connect_sync()")
    notebook.ok("%px which = 'first'")
    notebook.ok("two = ipp.Cluster(n=1).start_and_connect_sync(activate=True)")

    assert notebook.ok("%px 'which' in globals()").text.endswith("False\n")
