# Reference values for the random-intercept logistic model of proportions.
# Writes logistic_mixed.json. Run from this folder: Rscript logistic_mixed.R
#
# Three sources a data set:
#   rma_glmm  metafor's rma.glmm(measure = "PLO") with its default control.
#   deviance  lme4's own deviance function (glmer, devFunOnly = TRUE) at points (tau, beta):
#             only its differences have a meaning, as lme4 leaves out constants.
#   tight     the maximum of the same likelihood written out in R below, by Newton's steps on
#             numDeriv's Richardson derivatives, with the standard error from numDeriv's Hessian
#             in (tau, beta). lme4's function is too rough for that: its search for the modes
#             (PIRLS) stops early or, asked for more, not at all, and rma.glmm's optimiser and
#             Hessian inherit it.
#   profile   where twice that likelihood, at its highest over the other parameter, has fallen by
#             the 95 % quantile of chi-squared on 1 df: searched by optimize and uniroot.
#   lme4_profile  confint(glmer(nAGQ = 7), method = "profile"), for (tau, beta); null where it
#             stops. It interpolates by splines, and its likelihood is rough.
suppressMessages({library(metafor); library(lme4)})

# JSON with 17 digits --------------------------------------------------------------------------
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
json <- function(x) {
  if (is.list(x)) {
    parts <- vapply(x, json, "")
    if (is.null(names(x))) return(sprintf("[%s]", paste(parts, collapse = ",\n ")))
    return(sprintf("{%s}", paste(sprintf('"%s": %s', names(x), parts), collapse = ",\n ")))
  }
  parts <- if (is.character(x)) sprintf('"%s"', x) else number(as.numeric(x))
  if (length(parts) == 1 && !inherits(x, "AsIs")) parts else
    sprintf("[%s]", paste(parts, collapse = ", "))
}

# Data -----------------------------------------------------------------------------------------
arms <- function(xi, ni) list(events = xi, total = ni)
hasselblad <- subset(dat.hasselblad1998, trt == "no_contact")
datasets <- list(
  nielweise2007_treated = arms(dat.nielweise2007$ai, dat.nielweise2007$n1i),
  nielweise2007_control = arms(dat.nielweise2007$ci, dat.nielweise2007$n2i),
  pritz1997 = arms(dat.pritz1997$xi, dat.pritz1997$ni),
  debruin2009 = arms(dat.debruin2009$xi, dat.debruin2009$ni),
  hannum2020 = arms(dat.hannum2020$xi, dat.hannum2020$ni),
  hasselblad1998_no_contact = arms(hasselblad$xi, hasselblad$ni),
  bcg_treated = arms(dat.bcg$tpos, dat.bcg$tpos + dat.bcg$tneg),
  egger2001_treated = arms(dat.egger2001$ai, dat.egger2001$n1i),
  egger2001_control = arms(dat.egger2001$ci, dat.egger2001$n2i),
  pagliaro1992_sclerotherapy =
    with(subset(dat.pagliaro1992, trt == "sclerotherapy"), arms(xi, ni))
)
# No heterogeneity beyond chance: the maximum is at tau = 0.
homogeneous <- list(
  article_57_of_59 = arms(c(10, 11, 12, 12, 12), c(10, 12, 12, 12, 13)),
  article_94_of_102 = arms(c(18, 19, 19, 20, 18), c(20, 20, 21, 21, 20)),
  hine1989_control = arms(dat.hine1989$ci, dat.hine1989$n2i)
)

# lme4's deviance, as tight as rounding lets PIRLS converge ------------------------------------
deviance_of <- function(d, nAGQ) {
  long <- data.frame(x = d$events, m = d$total - d$events, study = seq_along(d$events))
  f <- glmer(cbind(x, m) ~ 1 + (1 | study), data = long, family = binomial, nAGQ = nAGQ,
             devFunOnly = TRUE)
  function(par) {
    for (tolerance in 10^-(14:10)) {
      assign("tolPwrss", tolerance, envir = environment(f))
      value <- tryCatch(f(par), error = function(e) NULL)
      if (!is.null(value)) return(value)
    }
    stop("no convergence")
  }
}

# The same likelihood, written out --------------------------------------------------------------
# Nodes and weights for a standard normal density from the eigenvectors of the Jacobi matrix
# (Golub & Welsch 1969); posterior modes by uniroot, which does not share a method with PIRLS.
gauss_hermite <- function(nodes) {
  jacobi <- matrix(0, nodes, nodes)
  i <- seq_len(nodes - 1)
  jacobi[cbind(i, i + 1)] <- jacobi[cbind(i + 1, i)] <- sqrt(i)
  e <- eigen(jacobi, symmetric = TRUE)
  list(z = e$values, w = e$vectors[1, ]^2)
}

log_likelihood <- function(par, d, rule) {
  tau <- par[1]; beta <- par[2]
  sum(mapply(function(x, n) {
    slope <- function(u) tau * (x * plogis(-beta - tau * u) - (n - x) * plogis(beta + tau * u)) - u
    reach <- range(0, slope(0))
    u <- if (diff(reach) == 0) 0 else uniroot(slope, reach, tol = 1e-15, maxiter = 10000)$root
    p <- plogis(beta + tau * u)
    for (i in 1:2) {
      u <- u + slope(u) / (1 + tau^2 * n * p * (1 - p))
      p <- plogis(beta + tau * u)
    }
    s <- 1 / sqrt(1 + tau^2 * n * p * (1 - p))
    v <- u + s * rule$z
    terms <- dbinom(x, n, plogis(beta + tau * v), log = TRUE) + (rule$z^2 - v^2) / 2
    log(s) + max(terms) + log(sum(rule$w * exp(terms - max(terms))))
  }, d$events, d$total))
}

fine <- list(eps = 0.02, d = 0.02, zero.tol = 0, r = 6, v = 2)
tight <- function(d, nAGQ, par) {
  rule <- gauss_hermite(nAGQ)
  for (i in 1:5) {
    # About 1, as numDeriv's steps are relative and a parameter may be near 0.
    f <- function(z) log_likelihood(par + z - 1, d, rule)
    gradient <- numDeriv::grad(f, c(1, 1), method.args = fine)
    hessian <- numDeriv::hessian(f, c(1, 1), method.args = fine)
    if (i < 5) par <- par - solve(hessian, gradient)
  }
  points <- list(par, par + c(0.3 * par[1], 0.3), par + c(-0.5 * par[1], -0.4))
  lme4 <- deviance_of(d, nAGQ)
  list(beta = par[2], tau2 = par[1]^2, se = sqrt(solve(-hessian)[2, 2]), log_likelihood = f(c(1, 1)),
       gradient = I(gradient), points = lapply(points, I), deviance = I(sapply(points, lme4)))
}

glmm <- function(d, method) suppressWarnings(suppressMessages(
  rma.glmm(measure = "PLO", xi = d$events, ni = d$total, method = method)))

default_fit <- function(d) {
  r <- glmm(d, "ML")
  list(beta = as.numeric(r$beta), se = r$se, tau2 = r$tau2, wald = r$QE.Wld, lrt = r$QE.LRT,
       df = r$QE.df, wald_p = r$QEp.Wld, lrt_p = r$QEp.LRT, i2 = r$I2 / 100)
}

# The Wald test in closed form: rma.glmm's goes through a fit of the saturated model.
wald <- function(d) {
  inside <- d$events > 0 & d$events < d$total
  rma(measure = "PLO", xi = d$events[inside], ni = d$total[inside], method = "FE")$QE
}

common_fit <- function(d) {
  # Twice, as glm's standard error is of the weights before its last step.
  g <- glm(cbind(events, total - events) ~ 1, family = binomial, data = d)
  g <- glm(cbind(events, total - events) ~ 1, family = binomial, data = d, start = coef(g))
  list(beta = as.numeric(coef(g)), se = sqrt(vcov(g)[1, 1]), log_likelihood =
         sum(dbinom(d$events, d$total, sum(d$events) / sum(d$total), log = TRUE)))
}

# Profile likelihood limits of beta and of tau2, with seven nodes -------------------------------
highest <- function(f, grid) {
  at <- which.max(sapply(grid, f))
  around <- grid[c(max(1, at - 1), min(length(grid), at + 1))]
  inner <- optimize(f, around, maximum = TRUE, tol = 1e-10)
  max(inner$objective, f(grid[at]))
}

profile_limits <- function(d, beta, tau) {
  rule <- gauss_hermite(7)
  taus <- c(0, 10^seq(-1.5, 1, length.out = 30))
  over_tau <- function(b) highest(function(t) log_likelihood(c(t, b), d, rule), taus)
  over_beta <- function(t) highest(function(b) log_likelihood(c(t, b), d, rule),
                                   beta + seq(-4, 4, length.out = 31) * max(t, 0.4))
  top <- highest(function(t) over_beta(t), if (tau > 0) tau * c(0.99, 1, 1.01) else 0:1 / 1000)
  drop <- qchisq(0.95, 1) / 2
  limit <- function(profile, near, step) {
    far <- near + step
    while (profile(far) > top - drop) { near <- far; far <- far + step }
    uniroot(function(at) profile(at) - (top - drop), c(near, far), tol = 1e-11)$root
  }
  low <- if (over_beta(0) > top - drop) 0 else limit(over_beta, tau, -0.999 * tau)
  list(beta = I(c(limit(over_tau, beta, -0.7), limit(over_tau, beta, 0.7))),
       tau2 = I(c(low, limit(over_beta, tau, 0.5))^2))
}

lme4_profile <- function(d) {
  long <- data.frame(x = d$events, m = d$total - d$events, study = seq_along(d$events))
  limits <- tryCatch(suppressMessages(suppressWarnings({
    f <- glmer(cbind(x, m) ~ 1 + (1 | study), data = long, family = binomial, nAGQ = 7)
    confint(f, method = "profile", oldNames = FALSE)
  })), error = function(e) matrix(NA_real_, 2, 2))
  list(tau = I(unname(limits[1, ])), beta = I(unname(limits[2, ])))
}

result <- lapply(datasets, function(d) {
  r <- default_fit(d)
  fits <- lapply(c(1, 3, 7, 15), function(a) c(list(nodes = a), tight(d, a, c(sqrt(r$tau2), r$beta))))
  at <- fits[[3]]
  c(d, list(rma_glmm = r, tight = fits, common = common_fit(d), wald = wald(d),
            profile = profile_limits(d, at$beta, sqrt(at$tau2)), lme4_profile = lme4_profile(d)))
})
zero <- lapply(homogeneous, function(d) {
  common <- common_fit(d)
  c(d, list(rma_glmm = default_fit(d), common = common, wald = wald(d),
            profile = profile_limits(d, common$beta, 0), lme4_profile = lme4_profile(d)))
})

clopper_pearson <- lapply(list(c(0, 34), c(59, 59), c(57, 59), c(0, 1)), function(a) {
  list(events = a[1], total = a[2], level = 0.95,
       limits = I(as.numeric(binom.test(a[1], a[2], conf.level = 0.95)$conf.int)))
})

versions <- list(R = R.version$version.string, metafor = as.character(packageVersion("metafor")),
                 lme4 = as.character(packageVersion("lme4")),
                 numDeriv = as.character(packageVersion("numDeriv")),
                 metadat = as.character(packageVersion("metadat")))
writeLines(json(list(versions = versions, datasets = result, homogeneous = zero,
                     clopper_pearson = clopper_pearson)), "logistic_mixed.json")
