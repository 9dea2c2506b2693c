"""Errors classed by what the program does next.

Whoever catches one of these decides by its class, never by its message. ``exit_code`` is what the
command line returns when the error reaches it: 1 failed, 2 wrong input.
"""

from typing import ClassVar


class TrafficError(Exception):
    """Any failure this project foresaw; the message is one line a person can act on."""

    exit_code: ClassVar[int] = 1


class SpecError(TrafficError):
    """A file of ``specs/`` is absent, unreadable or contradicts itself.

    The program stops before it touches data: a human edits the file the message names.
    """

    exit_code: ClassVar[int] = 2


class GateFailed(TrafficError):
    """A batch broke an expectation, or the two forms of an expectation disagree.

    Nothing of the batch is committed and its layer stops, for a human.
    """


class Unavailable(TrafficError):
    """Something outside the program does not answer: a server, a download, a port, the disk.

    Retried with a bound where a retry can help, then the program stops.
    """


class WrongInput(TrafficError):
    """The caller asked for something that cannot be: an unknown name, a malformed argument.

    The program stops at once and says what it would have accepted.
    """

    exit_code: ClassVar[int] = 2


class Fenced(TrafficError):
    """Another writer has taken over this writer's part of the input.

    The batch in hand is dropped: the other writer has committed it, or will.
    """
