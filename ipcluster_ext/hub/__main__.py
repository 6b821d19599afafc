"""``python -m ipcluster_ext.hub``: a hub by itself; a cluster's is a fork of its agent."""

import sys

from ipcluster_ext.hub.app import main

sys.exit(main())
