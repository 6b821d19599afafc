import pytest

from ipcluster_ext.engine.birth import arranged, no_threads

STDLIB = "/usr/lib/python3.11"
ZIP, DYNLOAD, SITE = "/usr/lib/python311.zip", f"{STDLIB}/lib-dynload", "/venv/site-packages"
LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def test_the_users_folders_come_after_the_standard_library_and_before_what_is_installed() -> None:
    path = arranged([ZIP, STDLIB, DYNLOAD, SITE], ["/home/a", "/home/b"], STDLIB)

    assert path == [ZIP, STDLIB, DYNLOAD, "/home/a", "/home/b", SITE]


def test_a_folder_that_is_there_stays_where_it_is() -> None:
    path = arranged(["/home/a", STDLIB, SITE], ["/home/b", "/home/a"], STDLIB)

    assert path == ["/home/a", STDLIB, "/home/b", SITE]


def test_site_packages_below_the_standard_library_are_not_taken_for_it() -> None:
    path = arranged([STDLIB, f"{STDLIB}/site-packages"], ["/home/a"], STDLIB)

    assert path == [STDLIB, "/home/a", f"{STDLIB}/site-packages"]


@pytest.mark.parametrize("chosen", [{}, {"OMP_NUM_THREADS": "4"}])
def test_libraries_that_are_imported_start_no_thread_whatever_was_chosen(
    chosen: dict[str, str],
) -> None:
    environment = {"PATH": "/bin", **chosen}

    with no_threads(environment):
        meanwhile = dict(environment)

    assert meanwhile == {"PATH": "/bin", **dict.fromkeys(LIMITS, "1")}
    assert environment == {"PATH": "/bin", **chosen}
