#!/usr/bin/env python3
"""Exit 0 if every address answers 200 in time: a container's health check.

answers http://127.0.0.1:9100/metrics [...]
"""

import sys
import urllib.error
import urllib.request

SECONDS = 4.0


def main(addresses: list[str]) -> int:
    """Ask each address once; the first that does not answer is named."""
    if not addresses:
        print(__doc__, file=sys.stderr)
        return 2
    for address in addresses:
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310
                if answer.status != 200:
                    print(f"{address}: {answer.status}", file=sys.stderr)
                    return 1
        except (OSError, ValueError) as error:
            print(f"{address}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
