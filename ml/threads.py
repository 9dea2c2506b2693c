"""How many cores an estimator takes: one, and estimators run side by side instead.

scikit-learn's trees meet at an OpenMP barrier at every node. On two cores with another process
beside it, a fit of 11 s on one thread took 29 to 58 s on two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenMP to one thread for what the calling thread does inside."""
    with _controller().limit(limits=1, user_api="openmp"):
        yield


@cache
def keep_blas_to_one() -> None:
    """From now on the products of matrices take one core of this process too.

    For good, since the setting is the process's: two callers that put it back would not agree.
    """
    _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
