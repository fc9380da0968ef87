"""The log of the web server: as gunicorn writes it, without tokens, without a line for each look of a page that is kept up to date, and
as JSON where LOG_FORMAT says so.
"""

import os
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from sseweb.logs import HideTokens, JsonFormatter

LIVE = "seen="  # in the query of a page that asks every few seconds whether anything has changed (campaigns/views/fragments.py)


class WebLog(Logger):
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        for handler in (*self.access_log.handlers, *self.error_log.handlers):
            handler.addFilter(HideTokens())
            if os.environ.get("LOG_FORMAT") == "json":
                handler.setFormatter(JsonFormatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        if resp.status_code >= 400 or LIVE not in environ.get("QUERY_STRING", ""):
            super().access(resp, req, environ, request_time)
