# R's side of benchmarks/bootstrap.py: fits per second of loops over the same replicates.
# Rscript bootstrap_peer.R samples.json, which holds multiplicities of pritz1997 and bcg.
suppressMessages({library(metafor); library(jsonlite)})
samples <- fromJSON(commandArgs(TRUE)[1])

rate <- function(rows, fit) {
  fit(1)  # what is loaded on first use
  seconds <- system.time(for (i in seq_len(rows)) fit(i))[["elapsed"]]
  rows / seconds
}
p <- samples$proportions; r <- samples$ratios
mixed <- function(i) {
  m <- p$multiplicity[i, ]
  suppressWarnings(rma.glmm(measure = "PLO", xi = rep(p$events, m), ni = rep(p$total, m)))
}
normal <- function(method) function(i) {
  m <- r$multiplicity[i, ]
  rma(rep(r$yi, m), rep(r$vi, m), method = method)
}
cat(toJSON(list(
  mixed = rate(40, mixed), DL = rate(200, normal("DL")), REML = rate(200, normal("REML"))
), auto_unbox = TRUE, digits = 8))
