"""Search for an architecture: `python -m nas.search space=nb101 estimator=emprox`."""

from __future__ import annotations

import sys

from nas.search._door import main

if __name__ == "__main__":
    sys.exit(main())
