# Reference values for inverse-variance pooling, heterogeneity, Mantel-Haenszel and influence.
# Writes pooling.json. Run from this folder: Rscript pooling.R
# Every iterative fit is made to converge far below its default tolerance.
suppressMessages(library(metafor))

methods <- c("DL", "HE", "HS", "SJ", "EB", "PM", "ML", "REML")
tests <- c(wald = "z", t = "t", hartung_knapp = "knha", hartung_knapp_ad_hoc = "adhoc")

# JSON with 17 digits --------------------------------------------------------------------------
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
json <- function(x) {
  if (is.list(x)) {
    parts <- vapply(x, json, "")
    if (is.null(names(x))) return(sprintf("[%s]", paste(parts, collapse = ",\n ")))
    return(sprintf("{%s}", paste(sprintf('"%s": %s', names(x), parts), collapse = ", ")))
  }
  parts <- if (is.character(x)) sprintf('"%s"', x) else if (is.logical(x) && !anyNA(x))
    tolower(as.character(x)) else number(as.numeric(x))
  if (length(parts) == 1 && !inherits(x, "AsIs")) parts else
    sprintf("[%s]", paste(parts, collapse = ", "))
}

# Data -----------------------------------------------------------------------------------------
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
proportions <- function(measure, xi, ni) escalc(measure, xi = xi, ni = ni)
nielweise <- dat.nielweise2007
datasets <- list(
  bcg = bcg,
  bcg_two = bcg[1:2, ],
  bcg_three = bcg[1:3, ],
  normand1999 = escalc("MD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i,
                       n2i = n2i, data = dat.normand1999),
  pritz1997_logit = proportions("PLO", dat.pritz1997$xi, dat.pritz1997$ni),
  pritz1997_arcsine = proportions("PAS", dat.pritz1997$xi, dat.pritz1997$ni),
  pritz1997_raw = proportions("PR", dat.pritz1997$xi, dat.pritz1997$ni),
  pritz1997_double_arcsine = proportions("PFT", dat.pritz1997$xi, dat.pritz1997$ni),
  debruin2009_logit = proportions("PLO", dat.debruin2009$xi, dat.debruin2009$ni),
  debruin2009_raw = proportions("PR", dat.debruin2009$xi, dat.debruin2009$ni),
  debruin2009_double_arcsine = proportions("PFT", dat.debruin2009$xi, dat.debruin2009$ni),
  nielweise2007_raw = proportions("PR", nielweise$ai, nielweise$n1i),
  nielweise2007_logit = proportions("PLO", nielweise$ci, nielweise$n2i),
  egger2001 = escalc("OR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.egger2001),
  hackshaw1998 = dat.hackshaw1998,
  raudenbush1985 = dat.raudenbush1985,
  bangertdrowns2004 = dat.bangertdrowns2004,
  molloy2014 = escalc("ZCOR", ri = ri, ni = ni, data = dat.molloy2014)
)
datasets <- lapply(datasets, function(d) list(yi = as.numeric(d$yi), vi = as.numeric(d$vi)))

tight <- function(d, tolerance) {
  scale <- min(d$vi)
  list(maxiter = 1000, threshold = tolerance * scale, tol = 1e-15 * scale, tau2.max = 1e5)
}
# As tight as rounding lets Fisher scoring converge, the refits included that `use` makes of it.
tightest <- function(d, use) {
  for (tolerance in 10^-(14:9)) {
    result <- tryCatch(use(tight(d, tolerance)), error = function(e) NULL)
    if (!is.null(result)) return(result)
  }
  stop("no convergence")
}
fit <- function(d, method, test)
  tightest(d, function(control)
    suppressWarnings(rma(yi, vi, data = d, method = method, test = test, control = control)))

# Every data set by every estimator and interval -----------------------------------------------
fit_case <- function(name, method, interval) {
  d <- datasets[[name]]
  x <- fit(d, method, tests[[interval]])
  pi <- predict(x)
  riley <- suppressWarnings(predict(x, pi.type = "riley"))
  list(dataset = name, method = method, interval = interval, k = x$k, estimate = x$beta[1],
       se = x$se, ci_low = x$ci.lb, ci_high = x$ci.ub, p_value = x$pval, tau2 = x$tau2,
       tau2_se = if (method == "EE") NA else x$se.tau2, i2 = x$I2 / 100, h2 = x$H2, q = x$QE,
       q_p = x$QEp, pi_low = pi$pi.lb, pi_high = pi$pi.ub, pi_k_minus_2_low = riley$pi.lb,
       pi_k_minus_2_high = riley$pi.ub)
}
grid <- rbind(expand.grid(dataset = names(datasets), method = methods, interval = names(tests),
                          stringsAsFactors = FALSE),
              data.frame(dataset = names(datasets), method = "EE", interval = "wald"))
fits <- unname(Map(fit_case, grid$dataset, grid$method, grid$interval))

# Intervals of tau2: Q-profile by metafor; generalised Q by Ruben's series (1962, Theorem 1) -----
# P(sum lambda chi2_1 <= q) as a mixture of chi-squares, until what is left is below 1e-14.
ruben <- function(q, lambda) {
  beta <- min(lambda)
  n <- length(lambda)
  terms <- 20000
  tails <- pchisq(q / beta, n + 2 * seq(0, terms))
  g <- rowSums(outer(seq_len(terms), 1 - beta / lambda, function(m, b) b^m))
  weight <- numeric(terms + 1)
  weight[1] <- prod(sqrt(beta / lambda))
  total <- weight[1]
  for (j in seq_len(terms)) {
    if ((1 - total) * tails[j] < 1e-14) return(sum(weight[1:j] * tails[1:j]))
    weight[j + 1] <- sum(g[j:1] * weight[1:j]) / (2 * j)
    total <- total + weight[j + 1]
  }
  stop("Ruben's series did not converge")
}
upper_tail <- function(d, tau2) {
  w <- 1 / d$vi
  a <- diag(w) - outer(w, w) / sum(w)
  s <- sqrt(d$vi + tau2)
  lambda <- eigen(a * outer(s, s), symmetric = TRUE, only.values = TRUE)$values
  q <- sum(w * (d$yi - sum(w * d$yi) / sum(w))^2)
  1 - ruben(q, lambda[seq_len(length(w) - 1)])
}
generalised_q <- function(d) {
  solve_for <- function(p) {
    if (upper_tail(d, 0) >= p) return(if (p < 0.5) 0 else NA)
    high <- min(d$vi)
    while (upper_tail(d, high) < p) high <- 2 * high
    uniroot(function(t) upper_tail(d, t) - p, c(0, high), tol = 1e-13 * high)$root
  }
  c(solve_for(0.025), solve_for(0.975))
}
jackson_datasets <- c("bcg", "bcg_three", "pritz1997_logit", "debruin2009_logit", "hackshaw1998")
limits_case <- function(name) {
  d <- datasets[[name]]
  x <- fit(d, "REML", "z")
  out <- confint(x, control = list(tol = 1e-15 * min(d$vi), maxiter = 10000, tau2.max = 1e6))
  empty <- all(is.na(out$random[1, 2:3]))
  given <- name %in% jackson_datasets
  jackson <- if (given) generalised_q(d) else c(NA, NA)
  list(dataset = name, empty = empty, tau2_low = out$random[1, 2], tau2_high = out$random[1, 3],
       i2_low = out$random[3, 2] / 100, i2_high = out$random[3, 3] / 100,
       generalised_q_given = given, generalised_q_low = jackson[1],
       generalised_q_high = jackson[2])
}
limits <- unname(lapply(names(datasets), limits_case))

# Influence and leave-one-out ------------------------------------------------------------------
influence_case <- function(name, method, interval) {
  d <- datasets[[name]]
  found <- tightest(d, function(control) {
    x <- suppressWarnings(rma(yi, vi, data = d, method = method, test = tests[[interval]],
                              control = control))
    both <- suppressWarnings(list(influence(x), leave1out(x)))
    if (anyNA(both[[1]]$inf$rstudent) || anyNA(both[[2]]$estimate)) stop("a refit failed")
    both
  })
  y <- found[[1]]
  i <- y$inf
  l <- found[[2]]
  list(dataset = name, method = method, interval = interval, rstudent = I(i$rstudent),
       dffits = I(i$dffits), cook_distance = I(i$cook.d), cov_ratio = I(i$cov.r),
       tau2_deleted = I(if (method == "EE") 0 * i$hat else i$tau2.del),
       q_deleted = I(i$QE.del), hat = I(i$hat),
       dfbetas = I(y$dfbs$intrcpt), influential = I(y$is.infl), estimate = I(l$estimate),
       se = I(l$se), ci_low = I(l$ci.lb), ci_high = I(l$ci.ub), p_value = I(l$pval),
       q_p = I(l$Qp), i2 = I(l$I2 / 100))
}
influence_datasets <- c("bcg", "bcg_two", "bcg_three", "normand1999", "pritz1997_logit",
                        "debruin2009_raw", "nielweise2007_raw", "egger2001", "raudenbush1985")
influence_grid <- expand.grid(
  dataset = influence_datasets, method = c("EE", "DL", "PM", "ML", "REML"),
  interval = c("wald", "hartung_knapp"), stringsAsFactors = FALSE)
influence_grid <- subset(influence_grid, method != "EE" | interval == "wald")
influence_grid <- subset(influence_grid, dataset != "bcg_two" | interval == "wald")
# Without study 14, metafor's ML stops at tau2 = 0, 9.75 below the highest log-likelihood.
influence_grid <- subset(influence_grid, dataset != "egger2001" | method != "ML")
influences <- unname(Map(influence_case, influence_grid$dataset, influence_grid$method,
                         influence_grid$interval))

# Subgroups that share tau2 --------------------------------------------------------------------
groups <- list(bcg = dat.bcg$alloc, bangertdrowns2004 = paste0("grade", dat.bangertdrowns2004$grade),
               raudenbush1985 = ifelse(dat.raudenbush1985$weeks > 1, "more", "less"))
subgroup_case <- function(name, method) {
  d <- datasets[[name]]
  d$group <- groups[[name]]
  x <- tightest(d, function(control)
    suppressWarnings(rma(yi, vi, mods = ~ factor(group), data = d, method = method,
                         control = control)))
  list(dataset = name, method = method, tau2 = x$tau2, tau2_se = x$se.tau2, qm = x$QM,
       qm_df = x$m, qm_p = x$QMp, qe = x$QE, qe_df = x$k - x$p, qe_p = x$QEp)
}
subgroup_grid <- expand.grid(dataset = names(groups), method = methods, stringsAsFactors = FALSE)
subgroups <- unname(Map(subgroup_case, subgroup_grid$dataset, subgroup_grid$method))

# Mantel-Haenszel ------------------------------------------------------------------------------
tables <- list(
  bcg = with(dat.bcg, cbind(tpos, tpos + tneg, cpos, cpos + cneg)),
  egger2001 = with(dat.egger2001, cbind(ai, n1i, ci, n2i)),
  nielweise2007 = with(dat.nielweise2007, cbind(ai, n1i, ci, n2i)),
  collins1985a = with(dat.collins1985a[!is.na(dat.collins1985a$b.xti), ],
                      cbind(b.xti, nti, b.xci, nci)),
  yusuf1985 = with(dat.yusuf1985[dat.yusuf1985$table == "6", ], cbind(ai, n1i, ci, n2i))
)
tables <- lapply(tables, function(x) x[rowSums(is.na(x)) == 0, , drop = FALSE])
mh_case <- function(name, measure, add) {
  x <- tables[[name]]
  r <- suppressWarnings(rma.mh(ai = x[, 1], n1i = x[, 2], ci = x[, 3], n2i = x[, 4],
                               measure = c(risk_ratio = "RR", odds_ratio = "OR",
                                           risk_difference = "RD")[[measure]],
                               add = c(0.5, add), to = c("only0", "only0"),
                               drop00 = rep(measure != "risk_difference", 2), correct = FALSE))
  used <- !is.na(r$yi.f) & !is.na(r$vi.f)
  list(table = name, measure = measure, add = add, estimate = r$beta[1], se = r$se,
       ci_low = r$ci.lb, ci_high = r$ci.ub, p_value = r$pval, q = r$QE, k_yi = r$k.yi,
       yi = I(r$yi.f[used]), vi = I(r$vi.f[used]),
       weights = I(as.numeric(weights(r)) / 100))
}
mh_grid <- expand.grid(table = names(tables), stringsAsFactors = FALSE,
                       measure = c("risk_ratio", "odds_ratio", "risk_difference"), add = c(0, 0.5))
mantel_haenszel <- unname(Map(mh_case, mh_grid$table, mh_grid$measure, mh_grid$add))

versions <- list(R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
                 metadat = as.character(packageVersion("metadat")))
as_rows <- function(x) list(events = I(x[, 1]), total = I(x[, 2]), control_events = I(x[, 3]),
                            control_total = I(x[, 4]))
sections <- list(
  made_by = list(
    versions = versions,
    fits = "rma(yi, vi, method, test, control); predict(); predict(pi.type = 'riley')",
    limits = "confint(rma(method = 'REML')); generalised Q by Ruben's series in this script",
    influences = "influence(rma()), leave1out(rma())",
    subgroups = "rma(yi, vi, mods = ~ factor(group), method)",
    mantel_haenszel = "rma.mh(add = c(0.5, add), to = 'only0', drop00, correct = FALSE)"),
  datasets = lapply(datasets, function(d) list(yi = I(d$yi), vi = I(d$vi))),
  fits = fits, limits = limits, influences = influences,
  groups = lapply(groups, I), subgroups = subgroups,
  tables = lapply(tables, as_rows), mantel_haenszel = mantel_haenszel)
lines <- sprintf('"%s": %s', names(sections), vapply(sections, json, ""))
writeLines(c("{", paste(lines, collapse = ",\n"), "}"), "pooling.json")
