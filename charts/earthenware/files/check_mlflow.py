"""Check a running MLflow server at the URL in the argument: healthy, closed to strangers, open to its administrator."""

import base64
import os
import sys
import urllib.error
import urllib.request

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def status(path: str, headers: dict[str, str]) -> int:
    """Return the status of an answer."""
    request = urllib.request.Request(sys.argv[1] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


credentials = f"{os.environ['MLFLOW_AUTH_ADMIN_USERNAME']}:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}".encode()
login = {"Authorization": "Basic " + base64.b64encode(credentials).decode()}
checks = {
    "is healthy": status("/health", {}) == 200,
    "refuses a request without credentials": status(SEARCH, {}) == 401,
    "refuses an unlisted Host header": status(SEARCH, {"Host": "unlisted.invalid", **login}) == 403,
    "accepts its administrator": status(SEARCH, login) == 200,
}
for name, holds in checks.items():
    sys.stdout.write(f"{'ok' if holds else 'FAILED'}: {name}\n")
sys.exit(0 if all(checks.values()) else 1)
