import sys

import numpy as np

print(np.linalg.norm([float(w) for w in sys.argv[1:]]))
