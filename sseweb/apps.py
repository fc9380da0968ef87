from django.apps import AppConfig


class SsewebConfig(AppConfig):
    name = "sseweb"

    def ready(self) -> None:
        from sseweb import broker, sessions  # noqa: F401 - what listens for sign-ins

        broker.set_up()
