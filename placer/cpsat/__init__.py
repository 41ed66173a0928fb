"""The CP-SAT encoding of MODEL.md and the search over it: the only importer of ortools."""
