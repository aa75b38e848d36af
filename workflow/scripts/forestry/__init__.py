"""Forestry's library: the statistics, tables and drawings of a meta-analysis.

Every module is importable and testable on its own; none knows Snakemake.
"""
