"""What logs hold: no token of an address, and for programs (LOG_FORMAT=json) one JSON object a line, with the campaign and the stage that
the line is about.
"""

import json
import logging
import re
from datetime import UTC, datetime

from campaigns.services.logs import about

# Addresses that open something to whoever has them: of a shared link, and of a link for a password.
_TOKEN = re.compile(r"""(/shared/|/account/set-password/[^/\s]+/)[^/\s?"']+""")


class HideTokens(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _TOKEN.sub(r"\1***", record.getMessage()), None
        return True


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line | (about.get() or {}), default=str)
