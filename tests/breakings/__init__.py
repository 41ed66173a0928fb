"""Valid runs broken in named ways, for the tests of the checker."""
