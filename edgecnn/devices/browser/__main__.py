"""``python -m edgecnn.devices.browser``: the agent of a browser."""

import sys

from edgecnn.devices.browser.agent import main

main(sys.argv[1:])
