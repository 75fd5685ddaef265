"""A study told to a person: table, pictures, one page."""
