# The reference grid: metafor's answer for every data set x measure x estimator x interval.
# Writes grid.json: the rows as a sheet holds them, and what R makes of them.
# Run from this folder: Rscript grid.R (some minutes; needs metafor and metadat).
#
# R is made exact where it stops early. Every iterative estimate starts at the highest point of a
# scan of the (restricted) log-likelihood and runs to a threshold far below metafor's default of
# 1e-5 (`threshold`, in units of the smallest variance: the tightest that rounding allows);
# `default_tau2` is what the same call gives by metafor's own control.
source("grid_data.R")

methods <- c("DL", "HE", "HS", "SJ", "EB", "PM", "ML", "REML")
iterative <- c("EB", "PM", "ML", "REML")
# Each interval of the pooled effect with one convention of the prediction interval.
tests <- c(wald = "z", t = "t", hartung_knapp = "knha", hartung_knapp_ad_hoc = "adhoc")
predictions <- c(wald = "default", t = "default", hartung_knapp = "riley",
                 hartung_knapp_ad_hoc = "default")

# Inverse variance -----------------------------------------------------------------------------
log_likelihood <- function(t, d, restricted) {
  w <- 1 / (d$vi + t)
  q <- sum(w * (d$yi - sum(w * d$yi) / sum(w))^2)
  -(sum(log(d$vi + t)) + q + if (restricted) log(sum(w)) else 0) / 2
}
highest <- function(d, restricted) {
  f <- function(t) log_likelihood(t, d, restricted)
  points <- c(0, exp(seq(log(min(d$vi) / 1000), log(100 * (max(d$vi) + var(d$yi))),
                         length.out = 2000)))
  at <- which.max(vapply(points, f, 0))
  if (at == 1) return(0)
  optimize(f, points[c(at - 1, min(at + 1, 2001))], maximum = TRUE, tol = 1e-10)$maximum
}
control_of <- function(d, start, threshold) {
  scale <- min(d$vi)
  c(start, list(maxiter = 1000, threshold = threshold * scale, tol = 1e-15 * scale,
                tau2.max = 1e6))
}
start_of <- function(d, method)
  if (method %in% c("ML", "REML")) list(tau2.init = highest(d, method == "REML"))
fit <- function(d, method, test = "z", start = NULL, thresholds = 10^-(14:8)) {
  for (threshold in thresholds) {
    control <- control_of(d, start, threshold)
    x <- tryCatch(suppressWarnings(rma(yi, vi, data = d, method = method, test = test,
                                       control = control)), error = function(e) NULL)
    if (!is.null(x)) return(list(x = x, threshold = threshold))
  }
  stop("no convergence: ", method)
}
default_tau2 <- function(d, method) {
  if (!method %in% iterative) return(NULL)
  x <- tryCatch(suppressWarnings(rma(yi, vi, data = d, method = method)), error = function(e) NULL)
  list(default_tau2 = if (is.null(x)) NA else x$tau2)
}
interval_of <- function(x, prediction) {
  at <- if (prediction == "riley") suppressWarnings(predict(x, pi.type = "riley")) else predict(x)
  list(estimate = x$beta[1], se = x$se, ci_low = x$ci.lb, ci_high = x$ci.ub, p_value = x$pval,
       pi_low = at$pi.lb, pi_high = at$pi.ub)
}
random_of <- function(d, method) {
  start <- start_of(d, method)
  tightest <- fit(d, method, "z", start)$threshold  # the interval changes nothing in tau2
  fits <- lapply(tests, function(test) fit(d, method, test, start, tightest))
  x <- fits$wald$x
  c(list(method = method, threshold = fits$wald$threshold, tau2 = x$tau2, tau2_se = x$se.tau2,
         i2 = x$I2 / 100, h2 = x$H2), default_tau2(d, method),
    list(intervals = Map(function(f, p) interval_of(f$x, p), fits, predictions)))
}
q_profile <- function(d) {
  x <- fit(d, "DL")$x
  control <- list(tol = 1e-15 * min(d$vi), maxiter = 10000, tau2.max = 1e6)
  found <- confint(x, control = control)$random
  list(tau2_low = found[1, 2], tau2_high = found[1, 3], i2_low = found[3, 2] / 100,
       i2_high = found[3, 3] / 100)
}
block_of <- function(family, name, measure) {
  data <- families[[family]][[name]]
  d <- suppressWarnings(effect_sizes[[family]](data, measures[[family]][[measure]]))
  used <- !is.na(d$yi) & !is.na(d$vi)
  kept <- data.frame(yi = as.numeric(d$yi), vi = d$vi)[used, ]
  common <- rma(yi, vi, data = kept, method = "EE")
  list(dataset = name, measure = measure, used = used, yi = kept$yi, vi = kept$vi,
       q = common$QE, q_p = common$QEp,
       common = list(estimate = common$beta[1], se = common$se, ci_low = common$ci.lb,
                     ci_high = common$ci.ub, p_value = common$pval),
       q_profile = q_profile(kept), random = lapply(methods, function(m) random_of(kept, m)))
}
blocks <- list()
for (family in names(families)) for (name in names(families[[family]]))
  for (measure in names(measures[[family]])) {
    message(name, " ", measure)
    blocks <- c(blocks, list(block_of(family, name, measure)))
  }

made_by <- c(versions, list(
  effects = paste("escalc(measure, add = 1/2, to = 'only0', drop00 = TRUE for RR, OR and IRR);",
                  "PETO: add = 0; GEN: yi and vi of estimate and se"),
  random = paste("rma(yi, vi, method, test, control = list(tau2.init, threshold, tol,",
                 "maxiter = 1000, tau2.max = 1e6)); predict(); predict(pi.type = 'riley')"),
  q_profile = "confint(rma(), control = list(tol, maxiter = 10000, tau2.max = 1e6))"))
write_sections(list(made_by = made_by, datasets = do.call(c, unname(families)), blocks = blocks),
               "grid.json")
