"""What it looks like when the disk takes no more, in the words of whoever wrote to it."""

import errno
import os
from collections.abc import Iterator

from specs.errors import Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
SAID = tuple(os.strerror(number) for number in FULL)
"""Rust, Java and C all quote the system's own words."""


def disk_fault(error: BaseException) -> Unavailable | None:
    """The error in one line if a disk that takes no more is at its root; None for any other."""
    for one in _chain(error):
        said = next((words for words in SAID if words in str(one)), None)
        if said is not None:
            return Unavailable(
                f"the disk takes no more: {said.lower()}; free some or move TRAFFIC_HOME, then"
                " start this again: what was not committed is repeated"
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
