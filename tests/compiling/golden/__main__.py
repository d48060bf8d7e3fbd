"""Write the golden files anew."""

from __future__ import annotations

import sys

from tests.compiling.golden import write

for path in write():
    sys.stdout.write(f"{path}\n")
