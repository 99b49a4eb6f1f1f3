"""Quotes of other formats, made Parquet files that the recorded market plays."""
