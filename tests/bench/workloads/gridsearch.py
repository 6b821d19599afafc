"""scikit-learn's search of a grid through joblib: what a user of both sees of a system."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from tests.bench.workloads.contract import Figures, Metric, Setting, Workload, demand

if TYPE_CHECKING:
    from tests.bench.systems.contract import System

_WARM_RUNS = 3
_FOLDS = 5
_RIGHT_TREES = 0.75
_RIGHT_MACHINES = 0.95


def measure_grid_search(system: System, setting: Setting) -> Figures:
    """Time 200 fits of trees (some 9 ms each), and of support vector machines (some 50 ms).

    The first search includes the start of the system, and of all that its processes import; our
    own imports and the data are there before.
    """
    searches = _searches(setting)
    begun = time.perf_counter()
    system.start(setting.engines)
    backend, options = system.joblib_backend()
    _search(searches["trees"], backend, options, setting, right=_RIGHT_TREES)
    cold = time.perf_counter() - begun
    warm = [
        _search(searches["trees"], backend, options, setting, right=_RIGHT_TREES)
        for _ in range(_WARM_RUNS)
    ]
    machines = _search(searches["machines"], backend, options, setting, right=_RIGHT_MACHINES)
    return {"cold": cold, "warm": statistics.median(warm), "machines": machines}


def _searches(setting: Setting) -> dict[str, Any]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    load_digits()
    count = setting.scaled(10)
    trees = {"max_depth": list(range(12 - count, 12)), "min_samples_leaf": [1, 2, 3, 4]}
    machines = {"C": [2.0**n for n in range(count)], "gamma": [1e-4, 3e-4, 1e-3, 3e-3]}
    return {
        "trees": GridSearchCV(DecisionTreeClassifier(random_state=0), trees, cv=_FOLDS),
        "machines": GridSearchCV(SVC(), machines, cv=_FOLDS),
    }


def _search(
    search: Any, backend: str, options: dict[str, Any], setting: Setting, *, right: float
) -> float:
    from joblib import parallel_config
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    begun = time.perf_counter()
    with parallel_config(backend, n_jobs=setting.engines, **options):
        search.fit(images, digits)
    elapsed = time.perf_counter() - begun
    demand(search.best_score_ > right, "the search found something else")
    return elapsed


GRID_SEARCH = Workload(
    name="gridsearch",
    title="GridSearchCV over the digits through joblib, 200 fits",
    metrics=(
        Metric(name="cold", unit="s with start", higher_is_better=False),
        Metric(name="warm", unit="s", higher_is_better=False),
        Metric(name="machines", unit="s", higher_is_better=False),
    ),
    engines=(2,),
    systems=("ours", "loky", "distributed", "ipyparallel"),
    measure=measure_grid_search,
    timeout=240.0,
)
