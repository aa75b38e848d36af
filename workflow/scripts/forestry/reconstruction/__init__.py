"""Rows that no source gives, solved from the pooled results that a review publishes."""
