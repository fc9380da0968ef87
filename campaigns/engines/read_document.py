"""Reads a YAML or JSON file that a user gave, for campaigns/engines/bounded.py.

    python -m campaigns.engines.read_document < settings.yaml

prints it as JSON, or why it cannot be read (exit status 3).
"""

import json
import sys
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Without aliases: some lines of them stand for more text than a computer can hold."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it refers to another place of itself (*name): write out what stands there")
        return super().compose_node(parent, index)


def read(content: bytes) -> Any:
    """JSON, and else YAML. Raises ValueError."""
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        return _Loader(content).get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"it is neither YAML nor JSON: {error}") from error


if __name__ == "__main__":
    try:
        print(json.dumps(read(sys.stdin.buffer.read()), default=str))
    except RecursionError:
        print("its brackets are nested too deeply.")
        sys.exit(3)
    except (TypeError, ValueError) as problem:
        print(f"{problem}.")
        sys.exit(3)
