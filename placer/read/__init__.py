"""One file for each input that placer reads; a reader reports every fault at once."""
