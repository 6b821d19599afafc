"""``python -m ipcluster_ext`` is the command ``ipcluster-ext``."""

import sys

from ipcluster_ext.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
