# R's side of benchmarks/bootstrap.py: fits per second of loops over the same replicates.
# Rscript bootstrap_peer.R replicates.json: by kind, its model and a row for each replicate.
suppressMessages({library(metafor); library(jsonlite)})
kinds <- fromJSON(commandArgs(TRUE)[1])

rate <- function(rows, fit) {
  fit(1)  # what is loaded on first use
  seconds <- system.time(for (i in seq_len(rows)) fit(i))[["elapsed"]]
  rows / seconds
}
fit_of <- function(kind) function(i) {
  m <- kind$multiplicity[i, ]
  if (kind$model == "mixed") {
    x <- rep(kind$events[i, ], m)
    return(suppressWarnings(rma.glmm(measure = "PLO", xi = x, ni = rep(kind$total[i, ], m))))
  }
  rma(rep(kind$yi[i, ], m), rep(kind$vi[i, ], m), method = kind$model)
}
rates <- lapply(kinds, function(kind) rate(nrow(kind$multiplicity), fit_of(kind)))
cat(toJSON(rates, auto_unbox = TRUE, digits = 8))
