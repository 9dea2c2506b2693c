"""Which model scores: the registry's champion, asked for on a timer beside the stream."""

import logging
import threading
from typing import TYPE_CHECKING

from lakehouse.failpoints import failpoint
from ml.registry import champion, champion_version
from specs.errors import Unavailable
from specs.loader import Specs

if TYPE_CHECKING:
    from ml.score import LoadedModel

log = logging.getLogger(__name__)


class ModelWatch:
    """Keeps the champion loaded; a new one is swapped in between two batches.

    The registry is asked from a thread of its own, so that a slow or dead registry never holds up
    a batch. While it is down the model in hand goes on scoring; where there is none in hand, what
    becomes final meanwhile is scored later, by `Reconciler`.
    """

    def __init__(self, tracking_uri: str, specs: Specs, poll_seconds: float) -> None:
        """Load the champion, if there is one, and begin to watch."""
        self._tracking_uri, self._specs = tracking_uri, specs
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._model = self._first()
        self._thread = threading.Thread(target=self._watch, name="model-watch", daemon=True)
        self._thread.start()

    def _first(self) -> "LoadedModel | None":
        """The champion; None where there is none, or no answer."""
        try:
            model = champion(self._tracking_uri, self._specs)
        except Unavailable as error:
            log.warning("%s; silver goes on, gold waits for it and catches up", error)
            return None
        if model is None:
            log.warning("no model is champion yet: silver goes on, gold waits for one")
        return model

    @property
    def model(self) -> "LoadedModel | None":
        """The model to score the next batch with; None while no model is champion.

        Raises:
            WrongInput: the registry's champion cannot be used.
        """
        if self._failure is not None:
            raise self._failure
        return self._model

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                version = champion_version(self._tracking_uri, self._specs)
                if version is not None and (self._model is None or version != self._model.version):
                    failpoint("model.swap_begun")
                    self._model = champion(self._tracking_uri, self._specs)
                    failpoint("model.swap_done")
                    log.warning("model version %s scores from the next batch on", version)
            except Unavailable as error:
                log.warning("%s; the model in hand goes on scoring", error)
            except Exception as error:
                self._failure = error
                return
