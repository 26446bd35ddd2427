"""What people run, with threads that sleep while they wait.

By default OpenMP's threads wait busily for one another. Where several processes share a core that
keeps the others from working, and costs a factor of ten and more. A user's own setting stands.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # is read once, when torch is imported
