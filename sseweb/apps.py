from django.apps import AppConfig


class SsewebConfig(AppConfig):
    name = "sseweb"

    def ready(self) -> None:
        from sseweb import broker

        broker.set_up()
