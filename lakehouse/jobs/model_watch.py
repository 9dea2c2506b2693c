"""Which models score: the registry's champion and challenger, asked for beside the stream."""

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse.failpoints import failpoint
from lakehouse.metrics import Metrics
from ml.registry import CHALLENGER, CHAMPION, alias_versions, load_version
from specs.errors import TrafficError, Unavailable
from specs.loader import Specs

if TYPE_CHECKING:
    from ml.score import LoadedModel

log = logging.getLogger(__name__)


class ModelWatch:
    """Keeps champion and challenger loaded; a new one is swapped in between two batches.

    The registry is asked from a thread of its own, so that a slow or dead registry never holds up
    a batch. While it is down the models in hand go on scoring; where there is no champion in hand,
    what becomes final meanwhile is scored later, by `Reconciler`. A challenger that cannot be used
    is left out: nothing hangs on it.
    """

    def __init__(self, tracking_uri: str, specs: Specs, poll_seconds: float) -> None:
        """Load the champion, if there is one, and begin to watch."""
        self._tracking_uri, self._specs = tracking_uri, specs
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._model: LoadedModel | None = None
        self._challenger: LoadedModel | None = None
        self._refused: int | None = None
        try:
            self._ask()
        except Unavailable as error:
            log.warning("%s; silver goes on, gold waits for it and catches up", error)
        if self._model is None:
            log.warning("no model is champion yet: silver goes on, gold waits for one")
        self._thread = threading.Thread(target=self._watch, name="model-watch", daemon=True)
        self._thread.start()

    @property
    def model(self) -> "LoadedModel | None":
        """The model to score the next batch with; None while no model is champion.

        Raises:
            WrongInput: the registry's champion cannot be used.
        """
        if self._failure is not None:
            raise self._failure
        return self._model

    @property
    def challenger(self) -> "LoadedModel | None":
        """The model to score in the champion's shadow; its rows are ``gold.shadow_score``'s."""
        return self._challenger

    def refuse_challenger(self, reason: Exception) -> None:
        """Let this version of the challenger score no more: its rows were refused."""
        challenger = self._challenger  # the watch may put another in its place meanwhile
        if challenger is not None:
            self._refused = challenger.version
            log.error("challenger version %s is out of the stream: %s", self._refused, reason)
            self._challenger = None

    def tell(self, metrics: Metrics) -> None:
        """Have version and age of the model in hand read at each scrape; 0 while there is none."""

        def version() -> float:
            return self._model.version if self._model else 0

        def created() -> float:
            moment = self._model.trained_at if self._model else None
            return moment.timestamp() if moment else float("nan")

        metrics.watch("traffic_model_version", version)
        metrics.watch("traffic_model_created_timestamp_seconds", created)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self._ask()
            except Unavailable as error:
                log.warning("%s; the model in hand goes on scoring", error)
            except Exception as error:
                self._failure = error
                return

    def _ask(self) -> None:
        """Load what the aliases name, where it has changed."""
        aliases = alias_versions(self._tracking_uri, self._specs)
        version = aliases.get(CHAMPION)
        if version is not None and (self._model is None or version != self._model.version):
            is_swap = self._model is not None
            if is_swap:
                failpoint("model.swap_begun")
            self._model = load_version(self._tracking_uri, self._specs, version)
            if is_swap:
                failpoint("model.swap_done")
            log.warning("model version %s scores from the next batch on", version)
        shadow = aliases.get(CHALLENGER)
        if shadow is None or shadow == self._refused:
            self._challenger = None
        elif self._challenger is None or shadow != self._challenger.version:
            self._challenger = self._shadow(shadow)

    def _shadow(self, version: int) -> "LoadedModel | None":
        try:
            found = load_version(self._tracking_uri, self._specs, version)
        except Unavailable:
            raise
        except TrafficError as error:
            self._refused = version
            log.error("challenger version %s cannot be used: %s", version, error)
            return None
        log.warning("challenger version %s scores in shadow from the next batch on", version)
        return replace(found, table=self._specs.tables["gold.shadow_score"])
