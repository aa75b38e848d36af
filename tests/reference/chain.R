# Reference values for results that only the whole chain gives. Writes chain.json.
# Run from this folder: Rscript chain.R
# Every iterative fit is made to converge far below its default tolerance.
suppressMessages(library(metafor))

tight <- list(threshold = 1e-14, maxiter = 1000)
bcg <- function(measure) escalc(measure, ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
fit <- function(data, method) rma(yi, vi, data = data, method = method, control = tight)

# Q between the groups' own random-effects means, each with its own tau2
between <- function(method) {
  groups <- lapply(split(bcg("RR"), dat.bcg$alloc), fit, method = method)
  q <- rma(sapply(groups, function(x) x$b[1]), sei = sapply(groups, function(x) x$se), method = "FE")
  list(q = q$QE, df = q$k - 1, p = q$QEp, estimate = sapply(groups, function(x) x$b[1]),
       tau2 = sapply(groups, function(x) x$tau2))
}
pooled <- function(x) list(estimate = x$b[1], se = x$se, ci_low = x$ci.lb, ci_high = x$ci.ub,
                           p_value = x$pval, tau2 = x$tau2, q = x$QE, q_p = x$QEp)

# JSON with 17 digits
json <- function(x) {
  if (is.list(x) || !is.null(names(x)))
    return(sprintf("{%s}", paste(sprintf('"%s": %s', names(x), sapply(x, json)), collapse = ",\n ")))
  if (is.character(x)) sprintf('"%s"', x) else sprintf("%.17g", x)
}
version <- function(name) as.character(packageVersion(name))
writeLines(json(list(
  versions = list(R = paste(R.version$major, R.version$minor, sep = "."),
                  metafor = version("metafor"), metadat = version("metadat")),
  calls = list(between = "rma(group means, sei, method = 'FE') of rma(yi, vi, method) by alloc",
               odds_ratio = "rma(escalc('OR', dat.bcg), method)"),
  between = list(REML = between("REML"), DL = between("DL")),
  odds_ratio = list(REML = pooled(fit(bcg("OR"), "REML")), DL = pooled(fit(bcg("OR"), "DL")))
)), "chain.json")
