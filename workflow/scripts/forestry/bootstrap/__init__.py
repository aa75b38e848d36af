"""The bootstrap of pooled results: replicates drawn by their index, and intervals of them.

Modules in the order of use: `draws` (random numbers), `targets` (what is bootstrapped),
`replicates` (the blocks of fits), `gathering` (chunks put together), `intervals`, `table`.
"""
