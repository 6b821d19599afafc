"""``python -m ipcluster_ext.agent``: the host agent's process."""

import sys

from ipcluster_ext.agent.app import main

sys.exit(main())
