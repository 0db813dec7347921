"""`python -m mlstac_hf`, which is `mlstac-hf`."""

import sys

from mlstac_hf._cli import main

if __name__ == "__main__":
    sys.exit(main())
