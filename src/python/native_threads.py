"""Runs in the main interpreter before the first workers that load private copies.

Libraries that compute (OpenBLAS, MKL, OpenMP) start a thread for each core, and so would do each worker for
itself. They read the environment when they are loaded; what the user has set stays.
"""

import os

for name in "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS":
    os.environ.setdefault(name, "1")
