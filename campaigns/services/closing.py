"""Whether this worker was asked to stop: from then on it takes no stage, and it stops and gives back those it has.

A flag that threads look at, not an exception thrown into them: one that comes between the start of an engine and the line that
remembers it would leave the engine running, and a thread that is between two messages would get none and take the next.
"""

from threading import Event

closing = Event()
