"""`python -m benchmarks.peers.bare_consumer`: fetch the topic and do nothing with it.

The harder limit: no lander on this client can be faster.
"""

import json
from dataclasses import asdict

from benchmarks.peers.topic import PeerSettings, batches
from benchmarks.timed import timed


def main() -> None:
    """Count the records."""
    settings = PeerSettings()  # type: ignore[call-arg]  # from the environment
    rows = 0
    with timed() as took:
        for messages in batches(settings):
            rows += len(messages)
    print(json.dumps({"rows": rows, **asdict(took)}))


if __name__ == "__main__":
    main()
