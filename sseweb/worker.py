"""What `dramatiq sseweb.worker` imports: Django set up, then the actors."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sseweb.settings")
django.setup()

import analysis.tasks  # noqa: E402,F401
import campaigns.tasks  # noqa: E402,F401
from sseweb import service_lock  # noqa: E402

service_lock.hold()
