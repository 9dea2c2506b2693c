"""What a process of ours tells Prometheus."""

import re
from pathlib import Path

from lakehouse.metrics.scrape import endpoints, scrape


def names_told(targets: Path, process: str) -> set[str]:
    """Names of the metrics that the only process of that kind has a value of."""
    (url,) = (url for job, url in endpoints(targets) if job == process)
    lines = [one for one in scrape(url).splitlines() if one[:1] != "#"]
    return {re.sub(r"_(bucket|sum|count)$", "", re.split("[{ ]", line)[0]) for line in lines}
