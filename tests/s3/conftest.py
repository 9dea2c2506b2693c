"""One S3 server for all tests of this group."""

from collections.abc import Iterator

import pytest

from tests.s3.store import Store, store


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("s3") / "store") as made:
        yield made


@pytest.fixture(autouse=True)
def _it_runs(s3: Store) -> None:
    """A test that failed may have left it dead."""
    if s3.running is None:
        s3.start()
