"""Which rows of a table meet what was asked: by attribute, place and time. Knows tables and arrays, no samples."""
