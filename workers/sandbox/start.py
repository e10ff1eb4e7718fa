"""The script that becomes the zygote: `python -I start.py SOCKET PROFILE`, with an empty environment."""

import os
import sys
from pathlib import Path

# Confined processes may not start threads; the libraries read this when they are imported.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"})
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workers.sandbox.profiles import load_profile
from workers.sandbox.zygote import main

if __name__ == "__main__":
    # What strategies inherit: no variable, and no way to import the rest of the project.
    profile = load_profile(sys.argv[2])
    os.environ.clear()
    sys.path.pop(0)
    socket_path = Path(sys.argv[1]).absolute()
    os.chdir("/")
    sys.exit(main(str(socket_path), profile))
