"""A search for the best parameters of a model by scikit-learn, on engines.

Run it as ``python examples/scripts/search_a_model.py``; it needs scikit-learn and joblib, which
``pip install ipcluster-ext[joblib] scikit-learn`` brings.
"""

import argparse
import time

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import ipcluster_ext as ipp


def main() -> None:
    """Search on two engines, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a small grid")
    options = parser.parse_args()
    grid = {"C": [0.1, 1.0, 10.0, 100.0], "gamma": [1e-4, 5e-4, 1e-3, 5e-3]}
    if options.quick:
        grid = {"C": [1.0, 10.0], "gamma": [1e-3]}
    images, digits = load_digits(return_X_y=True)
    search = GridSearchCV(SVC(), grid, cv=5)

    with ipp.Cluster(n=2) as rc:
        rc.load_balanced_view().register_joblib_backend()
        began = time.perf_counter()
        with joblib.parallel_config(backend="ipcluster_ext"):
            search.fit(images, digits)
        took = time.perf_counter() - began

    fits = len(search.cv_results_["params"]) * 5
    print(f"{fits} fits in {took:.1f} s")
    print(f"best: {search.best_params_}, right in {search.best_score_:.1%}")


if __name__ == "__main__":
    main()
