"""What a forecast is held against: which rows of silver say how traffic moved in a target window.

Where the vehicles of one primary window are too few for that, `ml.yaml` names a longer window and
how many it takes. It begins where the primary window does, and so has that one's number.
"""

import pyarrow as pa
import pyarrow.compute as pc

from specs.loader import Specs
from specs.ml import SourceTarget
from specs.stored_text import is_text


def needed_rows(specs: Specs) -> pc.Expression:
    """Rows of ``silver.segment_metric`` that features and targets stand on."""
    wanted = pc.field("window_seconds") == specs.transforms.primary.size_seconds
    for target in specs.ml.targets:
        mine = is_text("source", target.source)
        wanted |= mine & (pc.field("window_seconds") == _seconds(target, specs))
    return wanted


def longest_target(specs: Specs, sources: tuple[str, ...]) -> int:
    """How many primary windows the targets of these sources span at most."""
    primary = specs.transforms.primary.size_seconds
    spans = [_seconds(one, specs) // primary for one in specs.ml.targets if one.source in sources]
    return max(spans, default=1)


def target_rows(silver: pa.Table, specs: Specs) -> pa.Table:
    """The rows of ``silver`` that are true observations of a target window.

    Args:
        silver: ``window_seconds`` and ``observation_count``; ``source`` and ``vehicle_count`` too
            where the spec names sources.
        specs: the primary window, and each source's own target.
    """
    seconds = silver["window_seconds"]
    wanted = pc.equal(seconds, specs.transforms.primary.size_seconds)
    for target in specs.ml.targets:
        mine = pc.equal(silver["source"], target.source)
        enough = pc.fill_null(pc.greater_equal(silver["vehicle_count"], target.min_vehicles), False)
        its_window = pc.and_(pc.equal(seconds, _seconds(target, specs)), enough)
        wanted = pc.if_else(mine, its_window, wanted)
    return silver.filter(pc.and_(wanted, pc.greater(silver["observation_count"], 0)))


def target_in_words(specs: Specs, source: str) -> str:
    """What a target of that source is."""
    own = next((target for target in specs.ml.targets if target.source == source), None)
    window = specs.transforms.primary if own is None else specs.transforms.window(own.window)
    least = "" if own is None else f" of at least {own.min_vehicles} vehicles"
    return f"observed windows of {window.size_seconds} s{least}"


def _seconds(target: SourceTarget, specs: Specs) -> int:
    return specs.transforms.window(target.window).size_seconds
