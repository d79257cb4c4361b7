"""Every test, and every process that one starts, computes with the fixed order of backends."""

import os

os.environ.setdefault("RVC_BACKEND", "fixed")
