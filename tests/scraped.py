"""What a process of ours tells Prometheus."""

import json
import re
import urllib.request
from pathlib import Path


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def names_told(targets: Path, process: str) -> set[str]:
    """Names of the metrics that the only process of that kind has a value of."""
    (target,) = targets.glob(f"{process}-*.json")
    (address,) = json.loads(target.read_text())[0]["targets"]
    lines = [one for one in read(f"http://{address}/metrics").splitlines() if one[:1] != "#"]
    return {re.sub(r"_(bucket|sum|count)$", "", re.split("[{ ]", line)[0]) for line in lines}
