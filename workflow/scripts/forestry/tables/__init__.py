"""The review's tables: what each holds, as data, apart from how it is set or written."""
