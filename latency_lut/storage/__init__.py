"""Where measurements and fitted LUTs are kept: a database, and Parquet between them."""
