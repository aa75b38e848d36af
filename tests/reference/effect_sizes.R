# Reference values of effect sizes that measures.R does not have: incidence rates, correlations,
# Peto's odds ratio, means on the log scale, variants of Hedges' g. Writes effect_sizes.json.
# Run from this folder: Rscript effect_sizes.R
suppressPackageStartupMessages({
  library(metafor)
  library(metadat)
  library(jsonlite)
})
plain <- function(x) I(ifelse(is.finite(x), as.numeric(x), NA))
effects <- function(...) {
  e <- suppressWarnings(do.call(escalc, list(...)))
  list(yi = plain(e$yi), vi = plain(e$vi))
}
rules <- c(only_affected = "only0", all = "all", if_any_affected = "if0all", none = "none")
cases <- list()
case <- function(measure, data, options, values) {
  cases[[length(cases) + 1]] <<- list(measure = measure, data = data, options = options,
                                      yi = values$yi, vi = values$vi)
}

# Data -------------------------------------------------------------------------------------------
rates <- with(dat.hart1999, list(events = x1i, person_time = t1i, control_events = x2i,
                                 control_person_time = t2i))
zero_rates <- list(events = c(0, 3, 10, 0), person_time = c(10, 20, 55.5, 7.25),
                   control_events = c(2, 0, 7, 0), control_person_time = c(11, 20, 50, 8))
correlations <- with(dat.molloy2014, list(n = ni, correlation = ri))
means <- with(dat.normand1999, list(n = n1i, mean = m1i, sd = sd1i, control_n = n2i,
                                    control_mean = m2i, control_sd = sd2i))
small_means <- list(n = c(2, 3, 10), mean = c(5, 2, 4.5), sd = c(1, 2, 0.5),
                    control_n = c(2, 4, 12), control_mean = c(4, 1, 4.4), control_sd = c(1.5, 1, 2))
tables <- list(events = c(0, 3, 0, 8), total = c(10, 20, 5, 8), control_events = c(2, 0, 0, 6),
               control_total = c(11, 20, 5, 6))
yusuf <- dat.yusuf1985[dat.yusuf1985$table == "6", ]
yusuf <- with(yusuf[!is.na(yusuf$ai), ], list(events = ai, total = n1i, control_events = ci,
                                              control_total = n2i))
data <- list(rates = rates, zero_rates = zero_rates, correlations = correlations, means = means,
             small_means = small_means, tables = tables, yusuf1985 = yusuf)

# Effects ----------------------------------------------------------------------------------------
scales <- c(raw = "IR", log = "IRLN", square_root = "IRS")
for (name in c("rates", "zero_rates")) {
  d <- data[[name]]
  for (to in names(rules)) {
    for (scale in if (to == "only_affected") names(scales) else c("raw", "log")) {
      add <- if (scale == "square_root") list() else list(add = 0.5, to = rules[[to]])
      case("incidence_rate", name, list(scale = scale, to = to),
           do.call(effects, c(list(measure = scales[[scale]], xi = d$events, ti = d$person_time), add)))
    }
    for (measure in c(incidence_rate_ratio = "IRR", incidence_rate_difference = "IRD")) {
      drop <- measure == "IRR"
      case(c(IRR = "incidence_rate_ratio", IRD = "incidence_rate_difference")[[measure]], name,
           list(to = to),
           effects(measure = measure, x1i = d$events, t1i = d$person_time, x2i = d$control_events,
                   t2i = d$control_person_time, add = 0.5, to = rules[[to]], drop00 = drop))
    }
  }
}
case("correlation", "correlations", list(),
     effects(measure = "ZCOR", ri = correlations$correlation, ni = correlations$n))
for (name in c("tables", "yusuf1985")) {
  d <- data[[name]]
  case("peto_odds_ratio", name, list(),
       effects(measure = "PETO", ai = d$events, n1i = d$total, ci = d$control_events,
               n2i = d$control_total, add = 0, to = "none", drop00 = TRUE))
}
for (name in c("means", "small_means")) {
  d <- data[[name]]
  two <- function(measure, ...)
    effects(measure = measure, m1i = d$mean, sd1i = d$sd, n1i = d$n, m2i = d$control_mean,
            sd2i = d$control_sd, n2i = d$control_n, ...)
  case("ratio_of_means", name, list(), two("ROM"))
  case("mean", name, list(scale = "log"), effects(measure = "MNLN", mi = d$mean, sdi = d$sd, ni = d$n))
  for (variance in c("LS", "LS2", "UB"))
    case("standardized_mean_difference", name, list(correction = "exact", variance = variance),
         two("SMD", vtype = variance))
  # RevMan's, as the Cochrane Handbook's statistical methods (Deeks & Higgins 2010) print it.
  n1 <- d$n; n2 <- d$control_n; N <- n1 + n2
  s <- sqrt(((n1 - 1) * d$sd^2 + (n2 - 1) * d$control_sd^2) / (N - 2))
  g <- (d$mean - d$control_mean) / s * (1 - 3 / (4 * N - 9))
  v <- N / (n1 * n2) + g^2 / (2 * (N - 3.94))
  case("standardized_mean_difference", name, list(correction = "approximate", variance = "revman"),
       list(yi = plain(g), vi = plain(v)))
}

# Estimates with an interval ------------------------------------------------------------------------
hackshaw <- with(dat.hackshaw1998, list(estimate = or, ci_low = or.lb, ci_high = or.ub))
z <- qnorm(0.975)
se <- with(hackshaw, (log(ci_high) - log(ci_low)) / (2 * z))
fit <- rma(log(hackshaw$estimate), se^2, method = "DL")
generic <- list(data = hackshaw, yi = plain(log(hackshaw$estimate)), vi = plain(se^2),
                random = list(estimate = exp(fit$beta[1]), ci_low = exp(fit$ci.lb),
                              ci_high = exp(fit$ci.ub), tau2 = fit$tau2))

# Pooled through the whole chain, by DerSimonian and Laird ---------------------------------------------
pooled <- lapply(list(
  list(measure = "incidence_rate_ratio", data = "rates"),
  list(measure = "correlation", data = "correlations"),
  list(measure = "peto_odds_ratio", data = "yusuf1985"),
  list(measure = "ratio_of_means", data = "means")), function(x) {
  # Of a rate ratio the first has the rule only_affected.
  found <- Filter(function(y) y$measure == x$measure && y$data == x$data, cases)[[1]]
  f <- rma(as.numeric(found$yi), as.numeric(found$vi), method = "DL")
  e <- rma(as.numeric(found$yi), as.numeric(found$vi), method = "EE")
  list(measure = x$measure, data = x$data, common = e$beta[1], common_se = e$se, random = f$beta[1],
       random_se = f$se, tau2 = f$tau2, q = f$QE)
})
p <- with(yusuf, rma.peto(ai = events, n1i = total, ci = control_events, n2i = control_total))
peto <- list(estimate = p$beta[1], se = p$se, p_value = p$pval, q = p$QE)

versions <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")),
                 metadat = as.character(packageVersion("metadat")))
write_json(list(versions = versions,
                calls = list(cases = "escalc(); RevMan's variance by its formula",
                             generic = "rma(log(or), se^2, method = 'DL'), se from the interval",
                             pooled = "rma(method = 'EE' and 'DL')", peto = "rma.peto()"),
                data = data, cases = cases, generic = generic, pooled = pooled, peto = peto),
           "effect_sizes.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
