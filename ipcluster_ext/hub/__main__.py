"""``python -m ipcluster_ext.hub``: the hub's process."""

import sys

from ipcluster_ext.hub.app import main

sys.exit(main())
