import signal
import sys

import waitress

from . import site

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
waitress.serve(site.create(), listen="0.0.0.0:8000", threads=4)
