"""Many questions about one thing, answered side by side: in threads, processes or a Dask cluster.

Every engine gives the same results, in the order in which they are finished; only how long it
takes differs. What is asked and what is answered has to be picklable for engines that reach
beyond this process.
"""

from placer.engine.deal import Failure, Task
from placer.engine.local import Engine, Processes, Serial, Threads
from placer.engine.open import ENGINES, EngineName, num_processors, open_engine

__all__ = [
    "ENGINES",
    "Engine",
    "EngineName",
    "Failure",
    "Processes",
    "Serial",
    "Task",
    "Threads",
    "num_processors",
    "open_engine",
]
