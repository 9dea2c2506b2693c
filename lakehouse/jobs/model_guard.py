"""Keeps an eye on the champion: outcomes as horizons pass, and a rollback when it does harm."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.jobs.outcomes import Outcomes
from lakehouse.tables import Lake
from ml.promotion import must_go
from ml.registry import PREVIOUS, alias_versions, champion_version, rollback
from specs.errors import GateFailed

log = logging.getLogger(__name__)

ROLLBACKS = "traffic_model_rollbacks_total"


@dataclass(frozen=True)
class Guarded:
    """What a look at the champion found.

    Attributes:
        outcomes_written: rows of gold.score_outcome.
        champion: its version, None where there is none.
        quality: live measures by horizon in minutes, over the hours of the rollback rule.
        must_go: why it has to go; None while it may stay.
        rolled_back_to: the version that scores instead.
    """

    outcomes_written: int
    champion: int | None
    quality: Mapping[int, Mapping[str, Any]]
    must_go: str | None
    rolled_back_to: int | None

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


class ModelGuard:
    """Fills outcomes and applies the rollback rule of ml.yaml."""

    def __init__(self, lake: Lake, tracking_uri: str) -> None:
        """Watch over the champion of the registry at ``tracking_uri``."""
        self._lake, self._uri = lake, tracking_uri
        lake.metrics.count(ROLLBACKS, 0)  # Prometheus sees no increase in a series that begins at 1
        self.outcomes = Outcomes(lake)

    def look(self, *, act: bool = True) -> Guarded:
        """Fill the outcomes, measure the champion and, with ``act``, bring back its predecessor.

        Raises:
            Unavailable: the registry does not answer.
        """
        try:
            written = self.outcomes.fill()
        except GateFailed as error:  # the scores themselves have passed their gate
            log.error("outcomes were refused: %s", error)
            written = 0
        specs = self._lake.specs
        version = champion_version(self._uri, specs)
        if version is None:
            return Guarded(written, None, {}, None, None)
        live = self.outcomes.live(specs.ml.rollback.hours, version).get(version)
        quality = {} if live is None else live.quality
        reason = must_go(quality, specs.ml.rollback)
        back = None
        if reason is not None:
            log.error("model version %s is worse than persistence: %s", version, reason)
            if act and PREVIOUS in alias_versions(self._uri, specs):
                back, _ = rollback(self._uri, specs)
                self._lake.metrics.count(ROLLBACKS)
                log.error("model version %s is champion again", back)
        shown = {horizon: asdict(found) for horizon, found in quality.items()}
        return Guarded(written, version, shown, reason, back)
