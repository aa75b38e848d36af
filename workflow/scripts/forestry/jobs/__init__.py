"""What each job of the workflow is told, a function a job: plain settings from a review.

A job's settings are complete and hold nothing that it does not use: it reruns exactly when
they change. Modules by what the jobs make: statistics, drawings, documents.
"""
