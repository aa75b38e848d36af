# Reference values for test_bias.py and test_trim_and_fill.py, from R.
#
#   Rscript tests/reference/bias.R tests/reference/bias.json
#
# Egger's test, the rank test and trim and fill are metafor's. Harbord's and Peters' tests
# are not in metafor: they are lm() on the columns of the published formulas.

suppressMessages(library(metafor))
suppressMessages(library(metadat))

# JSON -----------------------------------------------------------------------------------

number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
text <- function(x) paste0('"', gsub('"', '\\\\"', x), '"')
array <- function(x) paste0("[", paste(number(as.numeric(x)), collapse = ", "), "]")
json <- function(x, indent = "") {
  if (is.character(x)) return(text(x))
  if (!is.list(x)) return(if (length(x) == 1 && is.null(attr(x, "array"))) number(x) else array(x))
  deeper <- paste0(indent, " ")
  items <- vapply(x, json, "", indent = deeper)
  if (!is.null(names(x))) {
    items <- paste0(text(names(x)), ": ", items)
    return(paste0("{\n", deeper, paste(items, collapse = paste0(",\n", deeper)), "\n", indent, "}"))
  }
  paste0("[\n", deeper, paste(items, collapse = paste0(",\n", deeper)), "\n", indent, "]")
}

# Data -----------------------------------------------------------------------------------

two_arm <- function(a, n1, c, n2)
  list(events = as.numeric(a), total = as.numeric(n1),
       control_events = as.numeric(c), control_total = as.numeric(n2))
columns <- function(d) two_arm(d$ai, d$n1i, d$ci, d$n2i)
bcg <- dat.bcg
two_arms <- list(
  egger2001 = columns(dat.egger2001),
  li2007 = columns(dat.li2007),
  linde2005 = columns(na.omit(dat.linde2005[c("ai", "n1i", "ci", "n2i")])),
  nielweise2007 = columns(dat.nielweise2007),
  bcg = two_arm(bcg$tpos, bcg$tpos + bcg$tneg, bcg$cpos, bcg$cpos + bcg$cneg))
single_arms <- list(
  pritz1997 = list(events = as.numeric(dat.pritz1997$xi), total = as.numeric(dat.pritz1997$ni)),
  debruin2009 = list(events = as.numeric(dat.debruin2009$xi), total = as.numeric(dat.debruin2009$ni)),
  nielweise2007 = list(events = as.numeric(dat.nielweise2007$ai), total = as.numeric(dat.nielweise2007$n1i)))
effects_of <- function(d, measure) {
  e <- escalc(measure, ai = d$events, n1i = d$total, ci = d$control_events, n2i = d$control_total)
  keep <- !is.na(e$yi)
  list(yi = as.numeric(e$yi)[keep], vi = as.numeric(e$vi)[keep])
}
normand <- escalc("MD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
                  data = dat.normand1999)
plain <- function(d) list(yi = as.numeric(d$yi), vi = as.numeric(d$vi))
effects <- list(
  egger2001 = effects_of(two_arms$egger2001, "OR"),
  li2007 = effects_of(two_arms$li2007, "OR"),
  linde2005 = effects_of(two_arms$linde2005, "RR"),
  bcg = effects_of(two_arms$bcg, "RR"),
  hackshaw1998 = plain(dat.hackshaw1998),
  raudenbush1985 = plain(dat.raudenbush1985),
  bangertdrowns2004 = plain(dat.bangertdrowns2004),
  normand1999 = plain(normand))
# Of equal effects trimfill() trims the later in the file; so that this does not matter, the
# files are put in the order of their variances (hackshaw1998 has ties).
effects <- lapply(effects, function(e) list(yi = e$yi[order(e$vi)], vi = sort(e$vi)))
# Copies of a study tie both of the rank test's columns.
effects$bcg_with_copies <- lapply(effects$bcg, function(column) column[c(1:13, 2, 2, 6, 9)])

# Tests ----------------------------------------------------------------------------------

slope <- function(fit) {
  row <- summary(fit)$coefficients[2, ]
  list(k = fit$df.residual + 2, bias = row[[1]], se = row[[2]], statistic = row[[3]],
       df = fit$df.residual, p_value = row[[4]])
}
harbord_or <- function(d) {
  N <- d$total + d$control_total; E <- d$events + d$control_events
  keep <- E > 0 & E < N
  Z <- (d$events - E * d$total / N)[keep]
  V <- (d$total * d$control_total * E * (N - E) / (N^2 * (N - 1)))[keep]
  slope(lm(Z / V ~ I(1 / sqrt(V)), weights = V))
}
harbord_rr <- function(d) {
  N <- d$total + d$control_total; E <- d$events + d$control_events
  keep <- E > 0 & E < N
  Z <- ((d$events * N - E * d$total) / (N - E))[keep]
  V <- (d$total * d$control_total * E / (N * (N - E)))[keep]
  slope(lm(Z / V ~ I(1 / sqrt(V)), weights = V))
}
peters <- function(d) {
  e <- escalc("OR", ai = d$events, n1i = d$total, ci = d$control_events, n2i = d$control_total)
  N <- d$total + d$control_total; E <- d$events + d$control_events
  keep <- E > 0 & E < N
  slope(lm(as.numeric(e$yi)[keep] ~ I(1 / N[keep]), weights = 1 / (1 / E + 1 / (N - E))[keep]))
}
peters_proportion <- function(d) {
  keep <- d$events > 0 & d$events < d$total
  x <- d$events[keep]; n <- d$total[keep]
  slope(lm(qlogis(x / n) ~ I(1 / n), weights = 1 / sqrt(1 / x + 1 / (n - x))^2))
}
score_proportion <- function(d) {
  p0 <- sum(d$events) / sum(d$total)
  Z <- d$events - d$total * p0; V <- d$total * p0 * (1 - p0)
  slope(lm(Z / V ~ I(1 / sqrt(V)), weights = V))
}
egger <- function(e) {
  test <- regtest(rma(yi, vi, data = e, method = "FE"), model = "lm")
  fit <- summary(test$fit)$coefficients[2, ]
  list(bias = fit[[1]], se = fit[[2]], statistic = test$zval[[1]], df = test$ddf, p_value = test$pval[[1]])
}
begg <- function(e) {
  test <- suppressWarnings(ranktest(rma(yi, vi, data = e, method = "FE")))
  list(statistic = test$tau[[1]], p_value = test$pval[[1]],
       ties = as.numeric(anyDuplicated(e$vi) > 0))
}

# Trim and fill --------------------------------------------------------------------------

# trimfill() fits with the default stopping rule of REML, which is absolute and ends early.
# The number missing is its own; the fits behind the filled studies and the mean are made
# again with a rule that follows the data's scale, and must agree with trimfill() closely.
refit <- function(yi, vi, method)
  rma(yi, vi, method = method,
      control = if (method == "REML") list(threshold = 1e-12 * var(yi), maxiter = 10000) else list())
trimmed <- function(name, method, estimator, side) {
  e <- effects[[name]]
  head <- list(data = name, method = method, estimator = estimator, side = side)
  filled <- tryCatch(
    suppressWarnings(trimfill(rma(yi, vi, data = e, method = method), side = side, estimator = estimator)),
    error = function(problem) NULL)
  if (is.null(filled)) return(c(head, list(fails = 1)))
  outer <- rev(order(if (side == "left") e$yi else -e$yi))[seq_len(filled$k0)]
  inner <- setdiff(seq_along(e$yi), outer)
  added <- 2 * refit(e$yi[inner], e$vi[inner], method)$beta[[1]] - e$yi[outer]
  fit <- refit(c(e$yi, added), c(e$vi, e$vi[outer]), method)
  stopifnot(abs(fit$beta - filled$beta) < 1e-3 * filled$se,
            abs(sort(added) - sort(filled$yi.f[filled$fill == 1])) < 1e-3 * filled$se)
  c(head, list(
    k0 = filled$k0, k0_se = filled$se.k0, estimate = fit$beta[[1]], se = fit$se,
    ci_low = fit$ci.lb, ci_high = fit$ci.ub, tau2 = fit$tau2,
    filled = structure(sort(added), array = TRUE)))
}
combinations <- expand.grid(
  side = c("left", "right"), estimator = c("L0", "R0", "Q0"), method = c("FE", "DL", "REML"),
  data = c("egger2001", "li2007", "linde2005", "bcg", "hackshaw1998", "raudenbush1985", "normand1999"),
  stringsAsFactors = FALSE)
fills <- with(combinations, mapply(trimmed, data, method, estimator, side, SIMPLIFY = FALSE, USE.NAMES = FALSE))

# Output ---------------------------------------------------------------------------------

reference <- list(
  versions = list(R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
                  metadat = as.character(packageVersion("metadat"))),
  calls = list(
    egger = "regtest(rma(yi, vi, method = \"FE\"), model = \"lm\")",
    begg = "ranktest(rma(yi, vi, method = \"FE\"))",
    harbord_odds_ratio = "lm(Z/V ~ I(1/sqrt(V)), weights = V)",
    harbord_risk_ratio = "lm(Z/V ~ I(1/sqrt(V)), weights = V)",
    peters = "lm(lnOR ~ I(1/N), weights = 1/(1/E + 1/(N - E)))",
    peters_proportion = "lm(qlogis(x/n) ~ I(1/n), weights = 1/(1/x + 1/(n - x)))",
    score_proportion = "lm(Z/V ~ I(1/sqrt(V)), weights = V)",
    trim_and_fill = "trimfill(rma(yi, vi, method), side, estimator)"),
  effects = effects, two_arms = two_arms, single_arms = single_arms,
  egger = lapply(effects, egger), begg = lapply(effects, begg),
  harbord_odds_ratio = lapply(two_arms, harbord_or),
  harbord_risk_ratio = lapply(two_arms, harbord_rr),
  peters = lapply(two_arms, peters),
  peters_proportion = lapply(single_arms, peters_proportion),
  score_proportion = lapply(single_arms, score_proportion),
  trim_and_fill = fills)
writeLines(json(reference), commandArgs(trailingOnly = TRUE)[1])
