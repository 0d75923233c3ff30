"""`python -m docs.lakeflow DIR`, which `make submission-lakeflow` runs."""

import sys

from docs.lakeflow.layout import main

sys.exit(main(sys.argv[1:]))
