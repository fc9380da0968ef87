"""What has served its time in the database: sessions, tokens of the API, records of who signed in and of wrong passwords."""

from datetime import timedelta
from importlib import import_module

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.utils import timezone
from knox.models import AuthToken

SIGN_INS_KEPT = timedelta(days=365)


def sweep() -> None:
    now = timezone.now()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    AuthToken.objects.filter(expiry__lt=now).delete()
    AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME).delete()
    AccessLog.objects.filter(attempt_time__lt=now - SIGN_INS_KEPT).delete()
