"""Renews the champion's memory of recent days, without a training."""

from datetime import UTC, datetime

from lakehouse.jobs.evaluation import History
from lakehouse.tables import Lake


def refresh_champion(lake: Lake, tracking_uri: str) -> tuple[int, int]:
    """Register the champion with the recent profile up to the last midnight (UTC) in silver.

    The new version is champion; its predecessor is what it was before, as its trees are the same.

    Returns:
        The new version and the one it was made of.

    Raises:
        WrongInput: there is no champion, or silver is empty.
        Unavailable: the registry does not answer.
    """
    from ml.calendar import DAY_SECONDS
    from ml.observations import Observations
    from ml.register import register_refreshed
    from ml.registry import champion, show
    from ml.train import latest_day
    from specs.errors import WrongInput

    loaded, origin = champion(tracking_uri, lake.specs), show(tracking_uri, lake.specs)
    if loaded is None or origin is None:
        raise WrongInput("no model is champion; make one with `traffic model train`")
    history = History.of_lake(lake, days=lake.specs.ml.profile.recent_days + 1)
    if not history.silver.num_rows:
        raise WrongInput("silver.segment_metric is empty; nothing is known of recent days")
    observations = Observations.of(history.silver, history.segments, lake.specs)
    day = latest_day(observations)
    model = loaded.model.with_recent(observations.cells.recent(day))
    until = datetime.fromtimestamp(day * DAY_SECONDS, UTC)
    version = register_refreshed(
        model, origin, tracking_uri, lake.specs, table_versions=history.versions, until=until
    )
    return version, loaded.version
