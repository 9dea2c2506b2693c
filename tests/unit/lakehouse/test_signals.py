"""Being asked to stop."""

import signal
import threading
import time

import pytest

from ingestion.pacing import SystemClock
from lakehouse.signals import CAUGHT, stopping_on_signals


@pytest.mark.parametrize("number", CAUGHT)
def test_a_signal_is_a_flag_and_the_handlers_before_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stopping_on_signals() as stopped:
        assert not stopped()
        signal.raise_signal(number)
        assert stopped()
    assert signal.getsignal(number) == before


def test_signals_at_any_moment_of_a_sleep_never_hang_it() -> None:
    with stopping_on_signals() as stopped:
        asked = 0

        def busy() -> bool:  # called wherever the sleep could be interrupted
            nonlocal asked
            asked += 1
            signal.raise_signal(signal.SIGTERM)
            return stopped() and asked > 1_000

        clock = SystemClock(busy)
        storm = threading.Timer(0.01, lambda: signal.raise_signal(signal.SIGTERM))
        storm.start()
        while not clock.stopped():
            clock.sleep(0.0001)
        storm.join()
    assert asked > 1_000


def test_a_sleep_ends_when_the_program_is_asked_to_stop() -> None:
    with stopping_on_signals() as stopped:
        threading.Timer(0.05, lambda: signal.raise_signal(signal.SIGTERM)).start()
        began = time.monotonic()
        SystemClock(stopped).sleep(3600)
        assert stopped()
        assert time.monotonic() - began < 3600
