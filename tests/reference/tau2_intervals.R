# Reference values for the profile likelihood interval of tau2 and for the wider of the
# Hartung-Knapp and the Wald interval, of the data sets in pooling.json.
# Writes tau2_intervals.json. Run from this folder, after pooling.R: Rscript tau2_intervals.R
suppressMessages(library(metafor))
library(jsonlite)

datasets <- lapply(fromJSON("pooling.json")$datasets, as.data.frame)

# As tight as rounding lets Fisher scoring converge.
fit <- function(d, method, test = "z") {
  for (tolerance in 10^-(14:9)) {
    control <- list(maxiter = 1000, threshold = tolerance * min(d$vi), tol = 1e-15 * min(d$vi),
                    tau2.max = 1e5)
    x <- tryCatch(suppressWarnings(rma(yi, vi, data = d, method = method, test = test,
                                       control = control)), error = function(e) NULL)
    if (!is.null(x)) return(x)
  }
  stop("no convergence")
}

profile_case <- function(name, method, level) {
  d <- datasets[[name]]
  x <- fit(d, method)
  out <- confint(x, type = "PL", level = 100 * level,
                 control = list(tol = 1e-15 * min(d$vi), maxiter = 10000, tau2.max = 1e6))
  list(dataset = name, method = method, level = level, tau2_low = out$random[1, 2],
       tau2_high = out$random[1, 3], i2_low = out$random[3, 2] / 100,
       i2_high = out$random[3, 3] / 100, h2_low = out$random[4, 2], h2_high = out$random[4, 3])
}
wider_case <- function(name, method) {
  z <- fit(datasets[[name]], method, "z")
  knha <- fit(datasets[[name]], method, "knha")
  x <- if (knha$ci.ub - knha$ci.lb < z$ci.ub - z$ci.lb) z else knha
  list(dataset = name, method = method, chosen = x$test, se = x$se, ci_low = x$ci.lb,
       ci_high = x$ci.ub, p_value = x$pval)
}
profile_grid <- expand.grid(dataset = names(datasets), method = c("ML", "REML"),
                            level = c(0.9, 0.95), stringsAsFactors = FALSE)
wider_grid <- expand.grid(dataset = names(datasets), method = c("DL", "PM", "REML"),
                          stringsAsFactors = FALSE)
result <- list(
  made_by = list(
    versions = list(R = as.character(getRversion()),
                    metafor = as.character(packageVersion("metafor"))),
    profiles = "confint(rma(yi, vi, method), type = 'PL', level)",
    wider = "the wider of rma(yi, vi, method, test = 'z') and rma(..., test = 'knha')"),
  profiles = unname(with(profile_grid, Map(profile_case, dataset, method, level))),
  wider = unname(with(wider_grid, Map(wider_case, dataset, method))))
writeLines(toJSON(result, digits = I(17), auto_unbox = TRUE, na = "null", pretty = 1),
           "tau2_intervals.json")
