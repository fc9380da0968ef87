from importlib import import_module

from django.apps import AppConfig

from tests.kill_harness import points


class KillPoints(AppConfig):
    name = "tests.kill_harness"
    label = "kill_harness"

    def ready(self):
        process = points.process_kind()
        for path in points.SERVER_FUNCTIONS.get(process, ()):
            module, _, name = path.rpartition(".")
            points.watch(import_module(module), name, process)
        if process == "worker":
            points.watch_files(process)
