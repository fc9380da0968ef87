"""What of our environment a child process is given: all that its programs may need, and no secret. A parser of what strangers wrote, a
quantum chemistry code and the job that a queueing system starts with our environment have no use for the keys of the database.
"""

import os

SECRETS = ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "PGPASSWORD", "PGPASSFILE")


def without_secrets(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SECRETS} | more
