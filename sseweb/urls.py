from django.urls import path

from sseweb.health import healthz

urlpatterns = [path("healthz", healthz, name="healthz")]
