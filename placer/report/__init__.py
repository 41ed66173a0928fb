"""A run shown: placement.json, CSV tables by pandas, and tables for a terminal."""
