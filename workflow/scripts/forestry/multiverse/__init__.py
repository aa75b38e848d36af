"""A multiverse: an outcome pooled under every combination of declared choices.

Steegen, Tuerlinckx, Gelman & Vanpaemel 2016 (Perspect Psychol Sci 11:702); Simonsohn, Simmons
& Nelson 2020 (Nat Hum Behav 4:1208), whose specification curve the figure is; in
meta-analysis, Voracek, Kossmeier & Tran 2019 (Z Psychol 227:64).
"""
