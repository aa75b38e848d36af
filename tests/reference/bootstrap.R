# Bootstrap replicates fitted by R: the data sets of bootstrap_samples.json, one after the other.
# Writes bootstrap.json. Run from this folder: Rscript bootstrap.R
#
#   rma        metafor's rma(), DL and REML (threshold 1e-12, so that it is converged).
#   rma_glmm   metafor's rma.glmm(measure = "PLO") with its default control: lme4 ends its
#              searches early, which leaves about four digits.
#   tight      the maximum of the same likelihood (7 adaptive Gauss-Hermite nodes), written out in
#              R below: BFGS from several starts, then Newton's steps on numDeriv's derivatives.
suppressMessages({library(metafor); library(jsonlite); library(numDeriv)})

samples <- fromJSON("bootstrap_samples.json")

gauss_hermite <- function(nodes) {
  jacobi <- matrix(0, nodes, nodes)
  i <- seq_len(nodes - 1)
  jacobi[cbind(i, i + 1)] <- jacobi[cbind(i + 1, i)] <- sqrt(i)
  e <- eigen(jacobi, symmetric = TRUE)
  list(z = e$values, w = e$vectors[1, ]^2)
}
rule <- gauss_hermite(7)

# Log-likelihood of studies that count m times, at par = (beta, tau).
log_likelihood <- function(par, x, n, m) {
  beta <- par[1]; tau <- par[2]
  u <- numeric(length(x))
  for (i in 1:200) {
    p <- plogis(beta + tau * u)
    step <- (tau * (x - n * p) - u) / (1 + tau^2 * n * p * (1 - p))
    u <- u + pmax(pmin(step, 0.5), -0.5)
    if (max(abs(step)) < 1e-13) break
  }
  p <- plogis(beta + tau * u)
  s <- 1 / sqrt(1 + tau^2 * n * p * (1 - p))
  v <- u + outer(s, rule$z)
  eta <- beta + tau * v
  height <- x * plogis(eta, log.p = TRUE) + (n - x) * plogis(-eta, log.p = TRUE) -
    v^2 / 2 + matrix(rule$z^2 / 2 + log(rule$w), length(x), length(rule$z), byrow = TRUE)
  top <- apply(height, 1, max)
  sum(m * (log(rowSums(exp(height - top))) + top + log(s)))
}

tight <- function(x, n, m) {
  keep <- m > 0; x <- x[keep]; n <- n[keep]; m <- m[keep]
  if (!any(x > 0 & x < n)) return(list(beta = NA, tau2 = NA))
  f <- function(par) -log_likelihood(par, x, n, m)
  common <- qlogis(sum(m * x) / sum(m * n))
  at_zero <- c(common, 0)
  fits <- lapply(c(0.05, 0.2, 0.7, 1.5), function(tau) optim(c(common, tau), f, method = "BFGS",
    control = list(reltol = 1e-15, maxit = 1000)))
  best <- fits[[which.min(vapply(fits, function(fit) fit$value, 0))]]$par
  if (abs(best[2]) > 1e-3) for (i in 1:20) {
    step <- solve(hessian(f, best), grad(f, best))
    while (f(best - step) > f(best) + 1e-12) step <- step / 2  # only downhill
    best <- best - step
    if (max(abs(step)) < 1e-10) break
  }
  if (f(best) > f(at_zero) - 1e-11) best <- at_zero
  list(beta = best[1], tau2 = best[2]^2)
}

rows <- function(x, times) rep(x, times)
glmm <- function(x, n) {
  fit <- tryCatch(suppressWarnings(rma.glmm(measure = "PLO", xi = x, ni = n)),
                  error = function(e) NULL)
  if (is.null(fit)) return(list(beta = NA, tau2 = NA))
  list(beta = fit$beta[1], tau2 = fit$tau2)
}
normal <- function(y, v, method) {
  fit <- rma(y, v, method = method, control = list(threshold = 1e-12, maxiter = 10000))
  # Q-based I2; metafor's own is from tau2
  q_i2 <- max(0, 100 * (fit$QE - (fit$k - 1)) / fit$QE) / 100
  list(estimate = fit$beta[1], se = fit$se, tau2 = fit$tau2, i2_tau2 = fit$I2 / 100, i2_q = q_i2)
}
columns <- function(fits) {
  names <- names(fits[[1]])
  setNames(lapply(names, function(name) vapply(fits, function(fit) as.numeric(fit[[name]]), 0)), names)
}
each <- function(matrix, fit) columns(lapply(seq_len(nrow(matrix)), function(i) fit(matrix[i, ])))

p <- samples$proportions; r <- samples$ratios
ones <- rep(1, length(p$total))
result <- list(
  call = "rma(yi, vi, method); rma.glmm(measure = 'PLO', xi, ni); log_likelihood as in bootstrap.R",
  versions = list(R = R.version.string, metafor = as.character(packageVersion("metafor")),
                  lme4 = as.character(packageVersion("lme4"))),
  mixed = list(
    nonparametric = list(
      tight = each(p$multiplicity, function(m) tight(p$events, p$total, m)),
      rma_glmm = each(p$multiplicity, function(m) glmm(rows(p$events, m), rows(p$total, m)))),
    parametric = list(
      tight = each(p$drawn_events, function(x) tight(x, p$total, ones)),
      rma_glmm = each(p$drawn_events, function(x) glmm(x, p$total)))),
  normal = list(
    nonparametric = list(
      DL = each(r$multiplicity, function(m) normal(rows(r$yi, m), rows(r$vi, m), "DL")),
      REML = each(r$multiplicity, function(m) normal(rows(r$yi, m), rows(r$vi, m), "REML"))),
    parametric = list(
      DL = each(r$drawn_yi, function(y) normal(y, r$vi, "DL")),
      REML = each(r$drawn_yi, function(y) normal(y, r$vi, "REML"))))
)
write_json(result, "bootstrap.json", digits = 17, auto_unbox = TRUE, na = "null")
