"""libmicrohttpd as three releases of Debian have it, beneath one build of the daemon."""
import pathlib


def test_the_log_names_the_version_of_the_library_that_runs(start, library):
    daemon = start(environment=library)
    assert daemon.library == pathlib.Path(library["LD_LIBRARY_PATH"], "version").read_text().strip()
    assert daemon.get("/healthz").status == 200
