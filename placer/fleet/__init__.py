"""Many hosts by many domains: classes, patterns, columns, neighbourhoods."""
