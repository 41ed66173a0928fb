"""placer: proven NUMA placement of virtual machines.

Importing the package loads no solver, no pandas and no command line.
"""

__version__ = "0.1.0.dev0"
