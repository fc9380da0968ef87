"""The project's settings with a data folder of the tests' own: an installation's data are never touched."""

import os
import tempfile

os.environ["SSEWEB_DATA_DIR"] = tempfile.mkdtemp(prefix="sseweb-test-")
os.environ["LOG_LEVEL"] = "ERROR"
os.environ["SSEWEB_API_PER_MINUTE"] = "100000"

from sseweb.settings import *  # noqa: F403

ENGINE_CORES = 2  # whatever the machine has
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405  (WhiteNoise warns of a folder that is not there)
