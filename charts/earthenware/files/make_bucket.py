"""Make the store's bucket unless it exists; its URI is the argument."""

import sys

from earthenware import storage
from earthenware.errors import EarthenwareError

try:
    made = storage.ensure_bucket(sys.argv[1])
except EarthenwareError as error:
    sys.exit(str(error))
sys.stdout.write(f"{sys.argv[1]} {'made' if made else 'was there'}\n")
