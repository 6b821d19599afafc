from tests.support.fixtures import four_in_notebook, gate, notebook, open_notebook, standing

__all__ = ["four_in_notebook", "gate", "notebook", "open_notebook", "standing"]
