"""Several DeePMD-kit commands in one process: its imports cost as much as a short training, so they are paid once.

    python -m campaigns.engines.dp_session tensorflow '[["train", "input.json"], ["freeze", "-o", "graph.pb"]]'

The model of some descriptors cannot be compressed: that is said in the log and is no failure, the frozen model serves. A training whose
loss is no number any more (DeePMD-kit stops it) is told from a crash by its exit status.
"""

import json
import sys
import traceback
from pathlib import Path

from campaigns.engines.backends import BACKENDS, TENSORFLOW

EXIT_DIVERGED = 3


def main() -> None:
    from deepmd.main import main as dp

    backend = BACKENDS[sys.argv[1]]
    for arguments in json.loads(sys.argv[2]):
        if backend is TENSORFLOW:
            from deepmd.tf.env import tf

            tf.reset_default_graph()
        try:
            dp([backend.flag, *arguments])
        except Exception as error:
            traceback.print_exc()
            if isinstance(error, RuntimeError) and "NaN detected" in str(error):
                sys.exit(EXIT_DIVERGED)
            if arguments[0] != "compress":
                raise
            # The frozen model does the same work, only more slowly; half a compressed one must not be taken for it.
            Path(arguments[arguments.index("-o") + 1]).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
