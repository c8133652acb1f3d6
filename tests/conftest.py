"""What all tests need before the first import of torch."""

import os

# As the command line does: threads that spin at OpenMP's barriers starve each other on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
