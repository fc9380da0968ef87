"""What `dramatiq sseweb.worker` imports: Django set up, then the actors."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sseweb.settings")
django.setup()

from campaigns import tasks  # noqa: E402,F401
