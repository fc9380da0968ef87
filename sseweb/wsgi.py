import os

from django.core.wsgi import get_wsgi_application

from sseweb import service_lock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sseweb.settings")
application = get_wsgi_application()
service_lock.hold()
